"""FLOPs until a level is reached: C(x) = 10·N·B*(x)·σ·D(x), for a data law over any named axes.

arXiv:2502.04327 eq. 4.2 for σ alone, C_J(σ, N) of arXiv:2508.14881 for both. Actor updates and a
passive critic can be counted in.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vs_laws.forms import PowerLaw
from vs_laws.law import Floats, Law, stack
from vs_laws.result import Fit

type ActorUpdates = Literal["critic_update", "env_step"]

CRITIC_FLOPS = 10.0
"""Per parameter and transition of a critic update: 3 forward (2 each) and 1 backward pass (4)."""

ACTOR_FLOPS = 12.0
"""Per parameter and transition of an actor update."""

PASSIVE_FLOPS = 6.0
"""Per parameter and transition of a passive critic: one forward pass (2), one backward pass (4); its
targets are the main critic's."""

PUBLISHED_BATCH_SIZE = 256.0
"""The batch size in C_J(σ, N) of the code of arXiv:2508.14881, whatever was run."""


def flops_per_step(
    *,
    sigma: ArrayLike,
    critic_params: ArrayLike,
    batch_size: ArrayLike,
    actor_params: ArrayLike = 0.0,
    actor_updates: ActorUpdates = "env_step",
    passive_params: ArrayLike = 0.0,
    action_repeat: ArrayLike = 1.0,
) -> Floats:
    """Return FLOPs per env step, ``10·N·B·σ/r`` and the options, broadcast over all arguments.

    Args:
        sigma: critic updates per agent decision.
        critic_params: N.
        batch_size: B. The law and what was run differ by up to 21 % in the published Gym baseline,
            so prefer what was run for measured points.
        actor_params: parameters of the actor, ``12·N_actor·B`` per actor update; 0 leaves it out,
            as arXiv:2502.04327 does.
        actor_updates: one actor update per agent decision (``"env_step"``), or per critic update.
        passive_params: parameters of a passive critic, ``6·N_passive·B`` per critic update.
        action_repeat: r, simulator steps per agent decision. Env steps count simulator steps, and
            updates happen per decision.

    Raises:
        ValueError: if σ, N, B or r is not positive, the others are negative, or an unknown option.
    """
    if actor_updates not in ("critic_update", "env_step"):
        raise ValueError(
            f"actor_updates must be 'critic_update' or 'env_step', got {actor_updates!r}"
        )
    for name, value in (("actor_params", actor_params), ("passive_params", passive_params)):
        if np.any(np.asarray(value, float) < 0):
            raise ValueError(f"{name} must not be negative, got {np.nanmin(np.asarray(value)):.6g}")
    _positive(
        sigma=sigma, critic_params=critic_params, batch_size=batch_size, action_repeat=action_repeat
    )
    ratio, params, batch, actor, passive, repeat = (
        np.asarray(value, float)
        for value in (sigma, critic_params, batch_size, actor_params, passive_params, action_repeat)
    )
    updates = 1.0 if actor_updates == "env_step" else ratio
    critic = (CRITIC_FLOPS * params + PASSIVE_FLOPS * passive) * ratio
    return batch * (critic + ACTOR_FLOPS * actor * updates) / repeat


@dataclass(frozen=True, eq=False)
class Cost:
    """``C(x) = flops_per_step(x) · D(x)``, with the bootstrap of the fits it is made of.

    Everything is called by the names of the data law's axes, as a `Law` is. σ and N are ``"sigma"``
    and ``"critic_params"``; the one that is not an axis is given as a number.

    Attributes:
        data: D: a law, its fit, or the fits of J levels (all results then end in J).
        batch_size: B*: a number, or a law (or its fit) over some of the axes, σ and N.
        critic_params: N where it is not an axis of the data law.
        sigma: σ where it is not an axis of the data law.
        actor_params: see `flops_per_step`, as for the three that follow.
        actor_updates: one per agent decision or per critic update.
        passive_params: parameters of a passive critic.
        action_repeat: simulator steps per agent decision.
        held: axes of the data law that are held at a value; see `hold`.

    Raises:
        ValueError: if σ or N is neither an axis nor given (or both), the batch size depends on
            something else, a fit has several tasks, bootstraps differ in number, or a number is not
            positive.
    """

    data: Law | Fit | Sequence[Fit]
    batch_size: float | Law | Fit
    _: KW_ONLY
    critic_params: float | None = None
    sigma: float | None = None
    actor_params: float = 0.0
    actor_updates: ActorUpdates = "env_step"
    passive_params: float = 0.0
    action_repeat: float = 1.0
    held: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        flops_per_step(sigma=1.0, critic_params=1.0, batch_size=1.0, **self._counting)
        whole = self._whole.axes
        for name in ("sigma", "critic_params"):
            if (getattr(self, name) is None) != (name in whole):
                raise ValueError(
                    f"the data law is over {', '.join(whole)}: give {name}= "
                    + ("only where it is not an axis" if name in whole else "as a number")
                )
        if not set(self.held) < set(whole):
            raise ValueError(
                f"cannot hold {', '.join(self.held)}: the data law is over {', '.join(whole)}, of "
                "which at least one must stay free"
            )
        if unknown := set(self._batch.axes) - set(whole) - set(self._fixed):
            raise ValueError(
                f"the batch size depends on {', '.join(sorted(unknown))}, the data law on "
                f"{', '.join(whole)}; give a batch size over some of these"
            )
        _positive(**self._fixed, **self.held)
        fits = (*_fits(self.data), *_fits(self.batch_size))
        if tasks := next((fit.tasks for fit in fits if fit.tasks), None):
            raise ValueError(f"a cost is that of one task: give fit.of({tasks[0]!r}), not the fit")
        data = {fit.bootstraps for fit in _fits(self.data)}
        batch = {fit.bootstraps for fit in _fits(self.batch_size)}
        if len(data) > 1 or len((data | batch) - {0}) > 1:
            counts = ", ".join(str(fit.bootstraps) for fit in fits)
            raise ValueError(f"the fits have different numbers of bootstraps: {counts}")

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes of the data law that are not held."""
        return tuple(axis for axis in self._whole.axes if axis not in self.held)

    @cached_property
    def law(self) -> Law:
        """The data law over `axes`, levels stacked into fields (J,)."""
        with np.errstate(all="ignore"):  # wild bootstraps
            return self._whole.hold(**self.held) if self.held else self._whole

    @cached_property
    def draws(self) -> "Cost | None":
        """The cost of every bootstrap, fields (S, 1), or (S, J) for levels; None without any."""
        data, batch = (
            [fit.draws for fit in _fits(part) if fit.draws is not None]
            for part in (self.data, self.batch_size)
        )
        if not data and not batch:
            return None
        return replace(
            self,
            data=stack(data, join=1) if data else self._whole,
            batch_size=batch[0] if batch else self._batch,
        )

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Least and largest fitted place by axis, the widest over levels; empty for a bare law."""
        ends = [fit.ranges for fit in _fits(self.data)]
        return {
            axis: (min(e[axis][0] for e in ends), max(e[axis][1] for e in ends))
            for axis in self.axes
            if ends and all(axis in e for e in ends)
        }

    @property
    def power(self) -> PowerLaw | None:
        """FLOPs per env step as a power law over `axes` where they are one term, else None.

        The batch size is a constant or a power law, and nothing but the critic counts.
        """
        batch = self._batch
        if self.actor_params or self.passive_params or not isinstance(batch, PowerLaw):
            return None
        names = tuple(dict.fromkeys((*self._whole.axes, "sigma", "critic_params")))
        own = {name: np.asarray(float(name in ("sigma", "critic_params"))) for name in names}
        for k, name in enumerate(batch.axes):
            own[name] = own[name] + np.asarray(batch.exponent)[..., k]
        exponent = np.stack(np.broadcast_arrays(*own.values()), axis=-1)
        unit = CRITIC_FLOPS * np.asarray(batch.coefficient) / self.action_repeat
        with np.errstate(all="ignore"):
            return PowerLaw(unit, exponent, axes=names).hold(**self._fixed, **self.held)

    def hold(self, **fixed: ArrayLike) -> "Cost":
        """Return the cost over the other axes, with some of them held at a value."""
        return replace(self, held={**self.held, **fixed})

    def without_draws(self) -> "Cost":
        """Return the cost without its bootstraps."""
        data = [replace(fit, draws=None) for fit in _fits(self.data)]
        batch = [replace(fit, draws=None) for fit in _fits(self.batch_size)]
        return replace(
            self,
            data=(data[0] if isinstance(self.data, Fit) else data) if data else self.data,
            batch_size=batch[0] if batch else self.batch_size,
        )

    def per_step(self, **axes: ArrayLike) -> Floats:
        """Return FLOPs per env step at places named by axis, all positive (broadcasting).

        Raises:
            TypeError: if an axis is missing or unknown.
            ValueError: if a place is not positive.
        """
        if axes.keys() != set(self.axes):
            raise TypeError(
                f"a cost over {', '.join(self.axes)}, got {', '.join(axes) or 'nothing'}"
            )
        places = {**self._fixed, **self.held, **axes}
        batch = self._batch(**{name: places[name] for name in self._batch.axes})
        return flops_per_step(
            sigma=places["sigma"],
            critic_params=places["critic_params"],
            batch_size=np.maximum(batch, np.finfo(float).tiny),  # a wild bootstrap may reach 0
            **self._counting,
        )

    def steps(self, **axes: ArrayLike) -> Floats:
        """Return D, env steps to the level, at places named by axis (broadcasting)."""
        return self.law(**axes)

    def __call__(self, **axes: ArrayLike) -> Floats:
        """Return C, FLOPs to the level, at places named by axis (broadcasting)."""
        with np.errstate(over="ignore", invalid="ignore"):  # wild bootstraps
            return self.per_step(**axes) * self.steps(**axes)

    @cached_property
    def _whole(self) -> Law:
        if isinstance(self.data, Law):
            return self.data
        fits = _fits(self.data)
        if not fits:
            raise ValueError("a cost needs a data law, or the fit of at least one level")
        return fits[0].law if isinstance(self.data, Fit) else stack([f.law for f in fits], join=0)

    @cached_property
    def _batch(self) -> Law:
        batch = self.batch_size
        if isinstance(batch, Fit | Law):
            return batch.law if isinstance(batch, Fit) else batch
        _positive(batch_size=batch)
        return PowerLaw(batch, (), axes=())

    @property
    def _counting(self) -> dict[str, Any]:
        names = ("actor_params", "actor_updates", "passive_params", "action_repeat")
        return {name: getattr(self, name) for name in names}

    @property
    def _fixed(self) -> dict[str, float]:
        given = {"sigma": self.sigma, "critic_params": self.critic_params}
        return {name: value for name, value in given.items() if value is not None}


def non_dominated(data: ArrayLike, compute: ArrayLike) -> NDArray[np.bool_]:
    """Return which measured points (n,) have no other point with less or equal of both and less of one.

    Points that are not finite (the level was not reached) are never on the frontier; exact copies
    of a frontier point all are.

    Raises:
        ValueError: if the two arrays are not 1-D of one length.
    """
    steps, flops = np.asarray(data, float), np.asarray(compute, float)
    if steps.ndim != 1 or steps.shape != flops.shape:
        raise ValueError(
            f"data and compute must be 1-D of one length, got {steps.shape} and {flops.shape}"
        )
    finite = np.isfinite(steps) & np.isfinite(flops)
    order = np.lexsort((flops, steps))
    order = order[finite[order]]
    keep = np.zeros(steps.size, bool)
    best, best_steps = np.inf, np.nan
    for i in order:
        # sorted by data: only strictly less compute, or a copy of the last kept point, survives
        if flops[i] < best or (flops[i] == best and steps[i] == best_steps):
            keep[i] = True
            best, best_steps = flops[i], steps[i]
    return keep


def _fits(part: Any) -> tuple[Fit, ...]:
    if isinstance(part, Fit):
        return (part,)
    return tuple(part) if isinstance(part, Sequence) else ()


def _positive(**values: ArrayLike) -> None:
    for name, value in values.items():
        array = np.asarray(value, float)
        if np.any(array <= 0):
            raise ValueError(f"{name} must be positive, got {np.nanmin(array):.6g}")
