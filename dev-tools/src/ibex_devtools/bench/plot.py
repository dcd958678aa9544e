"""The plot of docs/PERFORMANCE.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from ibex_devtools.bench.tables import TITLES

_COLOURS: Final = {"floor_4": "#c9ced6", "floor_16": "#aab2bd", "ibex": "#1f6feb", "fastapi_orm": "#d29922"}
_OTHER: Final = "#8957e5"


def draw(results: dict[str, Any], target: Path) -> bool:
    """Rates of sale and read as bars with their spread, and the far latencies, as `plot.svg`.

    False where matplotlib is not there: figures that took so long are not to be lost for want of a picture.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - only a run that draws needs it
    except ImportError:
        return False
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "ibex"
    from matplotlib import pyplot  # noqa: PLC0415

    near, far = results.get("near", {}), results.get("far", {}).get("latency", {})
    groups = [(near[name], "per_second") for name in ("sale", "sale_hot", "read_invoice") if name in near]
    groups += [(far[name], "p50") for name in ("sale",) if name in far]
    if not groups:
        return True
    figure, axes = pyplot.subplots(1, len(groups), figsize=(3.6 * len(groups), 3.4), squeeze=False)
    for axis, (case, key) in zip(axes[0], groups, strict=True):
        _bars(axis, case["contenders"], key)
        axis.set_title(case["title"], fontsize=9)
        axis.set_ylabel("a second" if key == "per_second" else "p50 ms, database 5 ms away", fontsize=8)
    figure.tight_layout()
    figure.savefig(target / "plot.svg", metadata={"Date": None})
    pyplot.close(figure)
    return True


def _bars(axis: Any, contenders: dict[str, Any], key: str) -> None:
    for place, (name, found) in enumerate(contenders.items()):
        value = found[key]
        values = [run[key] for run in found["runs"] if key in run] or [value]
        error = [[value - min(values)], [max(values) - value]]
        axis.bar(place, value, color=_COLOURS.get(name, _OTHER), yerr=error, capsize=3, error_kw={"linewidth": 0.8})
    names = [TITLES.get(name, name).replace(" + ", " +\n").replace("pgbench, ", "") for name in contenders]
    axis.set_xticks(range(len(names)), [name.replace(", ", ",\n") for name in names], fontsize=6, rotation=30)
    axis.tick_params(axis="y", labelsize=7)
    axis.spines[["top", "right"]].set_visible(False)
