"""``laws.json``: the fitted laws of one analysis, written once and read by ``recommend``.

Schema ``value-scaling/laws``, version 4. Top level: ``schema``, ``version``, ``axes``, ``versions``
(packages), ``sources`` (tables read), ``settings``, ``notes``, ``tasks`` and ``fits``. ``tasks`` holds
what predicts, by env: every law as a `vs_laws.Fit` with its K bootstraps (same index = same resample in
every law). ``fits`` holds what else was fitted, for reading. Numbers that are not finite are written as
``"inf"``, ``"-inf"`` or ``null`` (unknown). Versions 1 (laws over utd), 2 (over utd and model size)
and 3 (no ``level_law``) are read too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import vs_laws as laws

from vs_analyze.runs import AnalysisError

SCHEMA = "value-scaling/laws"
VERSION = 4


@dataclass(frozen=True, kw_only=True)
class TaskLaws:
    """Everything needed to predict and recommend for one task.

    Attributes:
        optimal_return: raw return that counts as 1000.
        delta: δ, FLOPs per env step.
        critic_params: N of the runs, parameters of the critic; None where it is an axis of the laws.
        ranges: least and largest place that was run, by axis of the laws.
        batch_size: B* over the axes.
        learning_rate: η* over σ; None where it was not fitted.
        learning_rates: of the runs behind the laws.
        levels: D_J by level.
        level_law: the law that ``levels`` are levels of, with what it misses: it predicts runs at any
            level; None where every level was fitted alone.
        surface: what B* and η* come from, for tolerance bands and regret; None without one.
        depth: the critic depth that was run most; None where the table did not say.
        widths: (N, critic width) pairs of that depth.
        actor_params: counted in FLOPs, as ``passive_params``.
        action_repeat: env steps per decision of the agent.
        growth: which resource to grow next; empty without laws along the budget.
    """

    algo: str
    benchmark: str
    env: str
    optimal_return: float
    delta: float
    critic_params: float | None
    ranges: Mapping[str, tuple[float, float]]
    batch_size: laws.Fit
    learning_rate: laws.Fit | None
    learning_rates: tuple[float, ...]
    levels: Mapping[float, laws.Fit]
    depth: int | None = None
    widths: tuple[tuple[float, float], ...] = ()
    actor_params: int = 0
    passive_params: int = 0
    action_repeat: int = 1
    growth: str = ""
    level_law: laws.LevelLaw | None = None
    surface: laws.Hyperparameters | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes of the laws: σ, or σ and N."""
        return tuple(self.ranges)

    def level(self, level: float) -> laws.Fit:
        """Return the law at one level.

        Raises:
            AnalysisError: levels were fitted one by one, and this is not among them.
        """
        for known, fit in self.levels.items():
            if np.isclose(known, level):
                return fit
        if self.level_law is not None:
            count = max(fit.bootstraps for fit in self.levels.values())
            draws = self.level_law.sample(count, np.random.default_rng(0)) if count else None
            return laws.level_fits(self.level_law, [level], draws)[level]
        known = ", ".join(f"{entry:g}" for entry in self.levels)
        raise AnalysisError(f"{self.env}: no law at level {level:g}; the fitted levels are {known}")

    def steps(
        self, level: float, place: Mapping[str, Any], *, seeds: float | None = None
    ) -> laws.Estimate:
        """Return the env steps to a level at a place: what is predicted of a run there.

        With a `level_law`, the 90 % interval of a new run of that many seeds (by default as many as the
        fitted runs have), and ``std_error`` that of log D times the value; else the law at the level
        with its 95 % interval.
        """
        if self.level_law is not None:
            return self.level_law.predict(level=level, seeds=seeds, **place).estimate()
        return self.level(level).predict(**place)

    def spend(
        self,
        level: float,
        place: Mapping[str, Any],
        *,
        delta: float = 0.0,
        seeds: float | None = None,
    ) -> laws.Estimate:
        """Return C + δ·D to a level at a place: `steps` times the price of one, both uncertain."""
        cost = self.cost([level])
        if self.level_law is None:
            value = float(np.squeeze(cost(**place) + delta * cost.steps(**place)))
            if cost.draws is None:
                return laws.Estimate(value)
            drawn = cost.draws(**place) + delta * cost.draws.steps(**place)
            return laws.Estimate.from_draws(value, np.ravel(drawn))

        def price(of: laws.Cost) -> Any:
            return np.ravel(of(**place) / of.steps(**place) + delta)

        step, data = float(price(cost)[0]), self.steps(level, place, seeds=seeds)
        spread = 0.0 if cost.draws is None else float(np.nanvar(np.log(price(cost.draws) / step)))
        error = float(np.hypot(data.std_error / data.value, np.sqrt(spread)))
        return laws.Prediction(data.value * step, error, error, False, "run", 0.0).estimate()

    @property
    def interval(self) -> str:
        """Words that say what the intervals of `steps` are intervals of."""
        if self.level_law is None:
            return "95 % interval of the law"
        count = float(np.median(self.level_law.measured.seeds))
        return f"90 % interval of a new run of {count:g} seed{'s' * (count != 1)}"

    def cost(self, levels: Sequence[float] | None = None) -> laws.Cost:
        """Return C_J of some levels (default: all), with its bootstrap."""
        chosen = list(self.levels) if levels is None else levels
        return laws.Cost(
            [self.level(level) for level in chosen],
            self.batch_size,
            critic_params=self.critic_params,
            actor_params=self.actor_params,
            passive_params=self.passive_params,
            action_repeat=self.action_repeat,
        )

    def flops_per_step(
        self, batch_size: float, utd: float, critic_params: float = float("nan")
    ) -> float:
        """Return FLOPs per env step of a run; N is the task's own where it is no axis."""
        exact = self.critic_params
        return float(
            laws.flops_per_step(
                sigma=utd, critic_params=critic_params if exact is None else exact,
                batch_size=batch_size, actor_params=self.actor_params,
                passive_params=self.passive_params, action_repeat=self.action_repeat,
            )
        )  # fmt: skip

    def place(self, utd: float, critic_params: float | None = None) -> dict[str, Any]:
        """Return a place on the laws' axes.

        Raises:
            AnalysisError: a coordinate is missing, is no axis of the laws, or is not positive.
        """
        given = {"sigma": utd, "critic_params": critic_params}
        for name, value in given.items():
            label = "utd" if name == "sigma" else name
            if name in self.axes and (value is None or not 0 < value < np.inf):
                raise AnalysisError(f"{label} {value}: expected a positive number")
        if "critic_params" not in self.axes and critic_params not in (None, self.critic_params):
            raise AnalysisError(
                f"{self.env}: the laws are for {self.critic_params:,.0f} critic_params, "
                f"got {critic_params:,.0f}"
            )
        return {name: float(value) for name, value in given.items() if name in self.axes and value}

    def to_dict(self) -> dict[str, Any]:
        """Return one entry of ``tasks``."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        rate = self.learning_rate
        return {
            **plain,
            "ranges": {axis: list(ends) for axis, ends in self.ranges.items()},
            "batch_size": self.batch_size.to_dict(),
            "learning_rate": None if rate is None else rate.to_dict(),
            "levels": [
                {"level": level, "data": fit.to_dict()} for level, fit in self.levels.items()
            ],
            "level_law": None if self.level_law is None else self.level_law.to_dict(),
            "surface": None if self.surface is None else self.surface.to_dict(),
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "TaskLaws":
        """Bring back a task from its `to_dict`."""
        optional = ("level_law", "surface")  # not in version 3
        parts: dict[str, Any] = {
            f.name: entry[f.name] for f in fields(cls) if f.name not in optional
        }
        law, surface = (entry.get(name) for name in optional)
        rate = entry["learning_rate"]
        parts |= {
            "optimal_return": _number(entry["optimal_return"]),
            "ranges": {axis: (float(a), float(b)) for axis, (a, b) in entry["ranges"].items()},
            "batch_size": laws.Fit.from_dict(entry["batch_size"]),
            "learning_rate": None if rate is None else laws.Fit.from_dict(rate),
            "learning_rates": tuple(float(value) for value in entry["learning_rates"]),
            "levels": {float(e["level"]): laws.Fit.from_dict(e["data"]) for e in entry["levels"]},
            "widths": tuple((float(n), float(w)) for n, w in entry["widths"]),
            "level_law": None if law is None else laws.LevelLaw.from_dict(law),
            "surface": None if surface is None else laws.Hyperparameters.from_dict(surface),
        }
        return cls(**parts)


def jsonable(value: Any) -> Any:
    """Return what JSON can hold: lists for arrays, eight digits, text or null for other floats."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if np.isnan(number):
            return None
        return float(f"{number:.8g}") if np.isfinite(number) else ("inf" if number > 0 else "-inf")
    return value


def read_document(path: Path, schema: str, kind: str, command: str) -> dict[str, Any]:
    """Read a JSON file of ours.

    Args:
        path: the file.
        schema: its ``schema``.
        kind: its name, for messages.
        command: the `vs-analyze` command that writes it.

    Raises:
        AnalysisError: the file is missing, is not JSON, or has another schema.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise AnalysisError(f"{path}: no such file; write it with `vs-analyze {command}`") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise AnalysisError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise AnalysisError(f'{path}: not a {kind} (expected "schema": "{schema}")')
    return document


def read_laws(path: Path) -> dict[str, TaskLaws]:
    """Read the ``tasks`` of a laws.json of any version, by env.

    Raises:
        AnalysisError: the file is missing, is not JSON, is not a laws.json of a known version, or is
            damaged.
    """
    document = read_document(path, SCHEMA, "laws.json", "fit")
    version = document.get("version")
    readers = {1: _version_1, 2: _version_2, 3: TaskLaws.from_dict, VERSION: TaskLaws.from_dict}
    if version not in readers:
        raise AnalysisError(
            f"{path}: laws.json version {version}, this program reads "
            f"{', '.join(map(str, readers))}; run `vs-analyze fit` again"
        )
    if document.get("tasks") == {}:
        raise AnalysisError(f"{path}: no task in this laws.json; run `vs-analyze fit` again")
    try:
        return {env: readers[version](entry) for env, entry in document["tasks"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise AnalysisError(
            f"{path}: the tasks of this laws.json are damaged ({error!r})"
        ) from None


def _version_1(entry: Mapping[str, Any]) -> TaskLaws:
    """Read a task of version 1: laws over utd."""
    ranges = {"sigma": (float(entry["sigma_low"]), float(entry["sigma_high"]))}

    def power(law: Mapping[str, Any]) -> laws.Fit:
        return _old_fit(law, laws.PowerLaw, {"exponent": ["exponent"]}, ranges)

    data = {"amplitude": ["amplitude"], "exponent": ["alpha"]}
    return TaskLaws(
        **{name: entry[name] for name in ("algo", "benchmark", "env")},
        optimal_return=_number(entry["optimal_return"]),
        delta=float(entry["delta"]),
        critic_params=float(entry["critic_params"]),
        ranges=ranges,
        batch_size=power(entry["batch_size"]),
        learning_rate=power(entry["learning_rate"]),
        learning_rates=(),
        levels={
            float(e["level"]): _old_fit(e["data"], laws.DataLaw, data, ranges)
            for e in entry["levels"]
        },
    )


_OLD_FORMS: Mapping[str, tuple[type[laws.Law], Mapping[str, Sequence[str]]]] = {
    "SurfaceLaw": (
        laws.DataLaw,
        {
            "amplitude": ["sigma_amplitude", "params_amplitude"],
            "exponent": ["sigma_exponent", "params_exponent"],
        },
    ),
    "ProductSurface": (
        laws.ProductLaw,
        {
            "floor": ["sigma_floor", "params_floor"],
            "exponent": ["sigma_exponent", "params_exponent"],
            "origin": ["sigma_origin", "params_origin"],
        },
    ),
    "LogPolynomial": (
        laws.LogQuadratic,
        {
            "slope": ["sigma_slope", "params_slope"],
            "curvature": ["sigma_square", "cross", "params_square"],
        },
    ),
    "BatchSurface": (
        laws.BatchLaw,
        {"power": "sigma_power", "scale": "params_scale", "rise": "params_exponent"},
    ),
    "BatchPower": (laws.PowerLaw, {"exponent": ["sigma_power", "params_power"]}),
}
"""Laws of version 2: today's form, and where its fields were; other fields kept their names."""


def _version_2(entry: Mapping[str, Any]) -> TaskLaws:
    """Read a task of version 2: laws over utd and model size."""
    ranges = {
        "sigma": (float(entry["sigma_range"][0]), float(entry["sigma_range"][1])),
        "critic_params": (float(entry["params_range"][0]), float(entry["params_range"][1])),
    }

    def old(law: Mapping[str, Any]) -> laws.Fit:
        return _old_fit(law, *_OLD_FORMS[law["form"]], ranges)

    plain = ("algo", "benchmark", "env", "depth", "actor_params", "passive_params", "growth")
    return TaskLaws(
        **{name: entry[name] for name in plain},
        optimal_return=_number(entry["optimal_return"]),
        delta=float(entry["delta"]),
        critic_params=None,
        ranges=ranges,
        batch_size=old(entry["batch_size"]),
        learning_rate=None,
        learning_rates=tuple(float(value) for value in entry["learning_rates"]),
        widths=tuple((float(n), float(w)) for n, w in entry["widths"]),
        levels={float(e["level"]): old(e["data"]) for e in entry["levels"]},
    )


def _old_fit(
    entry: Mapping[str, Any],
    kind: type[laws.Law],
    joined: Mapping[str, Sequence[str] | str],
    ranges: Mapping[str, tuple[float, float]],
) -> laws.Fit:
    """Return a fit that predicts from the law and bootstrap that versions 1 and 2 wrote."""

    def law(values: Mapping[str, Any], column: bool) -> laws.Law:
        parts = {}
        for field in kind.entries():
            names = joined.get(field.name, field.name)
            if isinstance(names, str):
                part = np.array(_numbers(values[names]))
                parts[field.name] = part[:, None] if column else part
            else:
                part = np.stack([np.array(_numbers(values[name])) for name in names], axis=-1)
                parts[field.name] = part[:, None, :] if column else part
        return kind(**parts, axes=tuple(ranges))

    point = law(entry["law"], False)
    constant = entry["verdict"] == "constant"
    return laws.Fit(
        form="constant" if constant else kind.__name__,
        formula=kind.__name__,
        law=point,
        draws=None if entry["samples"] is None else law(entry["samples"], True),
        parameters={k: laws.Estimate(float(v)) for k, v in point.parameters().items()},
        loss=float("nan"),
        loss_name="not recorded",
        n=0,
        r2_log=float("nan"),
        residuals=np.zeros(0),
        verdict=laws.Verdict.SUPPORTED if constant else laws.Verdict(entry["verdict"]),
        reason=entry["reason"],
        ranges=ranges,
    )


def _numbers(value: Any) -> Any:
    return [_number(v) for v in value] if isinstance(value, list) else _number(value)


def _number(value: float | str | None) -> float:
    return float("nan") if value is None else float(value)
