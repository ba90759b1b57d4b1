"""D_J(σ, N) as a surface to turn, for an HTML page that works offline (needs plotly)."""

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from vs_plots._check import FloatArray
from vs_plots.plane import Measured, Surface
from vs_plots.style import HELD_OUT, MEASURED
from vs_plots.ticks import count_label, plain_label, rounded_count_label

_HOVER = "σ = %{customdata[0]}<br>N = %{customdata[1]}<br>D_J = %{customdata[2]}"


def surface_html(
    surface: Surface,
    *,
    div_id: str,
    measured: Measured | None = None,
    title: str = "",
    include_js: bool = True,
    height: int = 460,
) -> str:
    """Return D_J over σ and N as an HTML fragment: drag to turn it, hover to read it.

    The axes are logarithmic. Runs that never reached J stand at the top, open. The same arguments
    give the same string with the same plotly.

    Args:
        surface: the law on a grid; 40 × 40 looks smooth and weighs 60 kB.
        div_id: id of the fragment's element, unique on its page.
        measured: the runs behind the law.
        title: name of the task and level.
        include_js: put plotly.js itself (4.8 MB) before the fragment: True for the first fragment
            of a page, False for the others.
        height: height on the page, pixels.

    Returns:
        A ``<div>`` element with its scripts; nothing in it is loaded from elsewhere.

    Raises:
        ImportError: if plotly is not installed.
        ValueError: if no value of the surface is finite.
    """
    graph_objects = _module("plotly.graph_objects")
    known = np.isfinite(surface.data)
    if not known.any():
        raise ValueError("surface_html: surface.data has no finite value.")
    traces = [_law(surface, graph_objects)]
    sigma, params, data = surface.sigma, surface.critic_params, surface.data[known]
    if measured is not None:
        data = np.concatenate([data, measured.data[np.isfinite(measured.data)]])
        top = float(data.max()) * 1.15
        traces += _points(measured, top, graph_objects)
        sigma, params = np.append(sigma, measured.sigma), np.append(params, measured.critic_params)
        data = np.append(data, top)
    scene = {
        "xaxis": _axis("σ", sigma, 2, plain_label),
        "yaxis": _axis("N (parameters)", params, 10, count_label),
        "zaxis": _axis("D_J (env steps)", data, 10, count_label),
        "camera": {"eye": {"x": 1.6, "y": 1.6, "z": 0.9}, "center": {"x": 0, "y": 0, "z": -0.15}},
        "aspectmode": "cube",
    }
    figure = graph_objects.Figure(
        data=traces,
        layout={
            "template": "none",
            "title": {"text": title, "font": {"size": 15}},
            "scene": scene,
            "height": height,
            "margin": {"l": 0, "r": 0, "t": 40 if title else 0, "b": 0},
            "legend": {"orientation": "h", "y": 0},
        },
    )
    return str(
        _module("plotly.io").to_html(
            figure,
            full_html=False,
            include_plotlyjs=include_js,
            include_mathjax=False,
            div_id=div_id,
            config={"displaylogo": False, "responsive": True, "showSendToCloud": False},
        )
    )


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            "surface_html needs plotly, which is not installed: pip install 'vs-plots[html]'"
        ) from error


def _law(surface: Surface, graph_objects: Any) -> Any:
    sigma, params = np.meshgrid(surface.sigma, surface.critic_params)
    data = np.where(np.isfinite(surface.data), surface.data, np.nan).T
    return graph_objects.Surface(
        x=np.log(surface.sigma),
        y=np.log(surface.critic_params),
        z=np.log(data),
        customdata=_labels(sigma, params, data),
        hovertemplate=_HOVER + "<extra>law</extra>",
        colorscale="Cividis",
        showscale=False,
        opacity=0.85,
        contours={"z": {"show": True, "color": "white", "width": 1}},
        name="law",
        showlegend=False,
    )


def _points(measured: Measured, top: float, graph_objects: Any) -> list[Any]:
    reached = np.isfinite(measured.data)
    groups = (
        (reached & ~measured.held_out, "measured", "circle", MEASURED),
        (reached & measured.held_out, "held out", "diamond", HELD_OUT),
        (measured.data == np.inf, "not reached", "circle-open", MEASURED),
    )
    traces = []
    for mask, name, symbol, color in groups:
        if not mask.any():
            continue
        sigma, params, data = (
            a[mask] for a in (measured.sigma, measured.critic_params, measured.data)
        )
        traces.append(
            graph_objects.Scatter3d(
                x=np.log(sigma),
                y=np.log(params),
                z=np.log(np.where(np.isfinite(data), data, top)),
                customdata=_labels(sigma, params, data),
                hovertemplate=_HOVER + f"<extra>{name}</extra>",
                mode="markers",
                marker={"size": 4, "symbol": symbol, "color": color},
                name=name,
            )
        )
    return traces


def _labels(sigma: FloatArray, params: FloatArray, data: FloatArray) -> Any:
    """Return the texts shown when hovering over each point, shape (..., 3)."""
    texts = [
        [f"{s:.3g}", rounded_count_label(float(n)), _data_label(float(d))]
        for s, n, d in zip(sigma.flat, params.flat, data.flat, strict=True)
    ]
    return np.array(texts, dtype=object).reshape(*sigma.shape, 3)


def _data_label(value: float) -> str:
    return "not reached" if math.isinf(value) else rounded_count_label(value)


def _axis(
    label: str, values: FloatArray, base: int, write: Callable[[float], str]
) -> dict[str, Any]:
    """Return an axis in log coordinates with plain labels.

    Plotly's own log axes in three dimensions know only powers of ten, and crowd them.
    """
    low, high = float(values.min()), float(values.max())
    factors = (1,) if high / low >= base**2.5 else (1, 1.5) if base == 2 else (1, 2, 5)
    first, last = math.floor(math.log(low, base)), math.ceil(math.log(high, base))
    ticks = [f * float(base) ** k for k in range(first, last + 1) for f in factors]
    ticks = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
    margin = 0.03 * math.log(high / low) or 0.1
    return {
        "title": {"text": label},
        "tickvals": [math.log(t) for t in ticks],
        "ticktext": [write(t) for t in ticks],
        "range": [math.log(low) - margin, math.log(high) + margin],
    }
