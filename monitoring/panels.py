"""How our panels look, and the two ways in which a query finds the series of a service.

Servers are found by joining to asr_server_info on `instance`, whatever Prometheus calls their pods;
what the operator says of a service bears its name. No query of a particular dashboard belongs here.
"""

import string

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models import prometheus as queries

SERVICE = '{asr_namespace="$namespace", asr_service="$service"}'
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="$datasource")

WIDTH, THIRD = 24, 8
HEIGHT = 8


def of_servers(expression: str, *labels: str) -> str:
    """Keep the series of the servers of the service, with labels of asr_server_info beside."""
    beside = f"group_left ({', '.join(labels)})"
    return f"{expression} * on (instance) {beside} asr_server_info{SERVICE}"


def rate(metric: str) -> str:
    """Return the rate of a counter over what Grafana finds apt."""
    return f"rate({metric}[$__rate_interval])"


def quantile(ratio: float, histogram: str) -> str:
    """Return a quantile of a histogram over all servers of the service; labels may be given."""
    buckets = of_servers(rate(_of_buckets(histogram)))
    return f"histogram_quantile({ratio}, sum by (le) ({buckets}))"


def mean(histogram: str, label: str) -> str:
    """Return the mean of a histogram by a label, over all servers of the service."""
    total, count = (of_servers(rate(f"{histogram}_{each}")) for each in ("sum", "count"))
    return f"sum by ({label}) ({total}) / sum by ({label}) ({count})"


def graph(
    title: str, description: str, unit: str, lines: dict[str, str], *, stacked: bool = False
) -> timeseries.Panel:
    """Return a graph; `lines` are queries by legend."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .span(THIRD)
        .height(HEIGHT)
        .fill_opacity(30 if stacked else 0)
        .show_points(options.VisibilityMode.NEVER)
        .legend(common.VizLegendOptions().show_legend(True))  # noqa: FBT003 - the builder's way
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    for ref_id, (legend, expression) in zip(string.ascii_uppercase, lines.items(), strict=False):
        panel.with_target(_query(expression).ref_id(ref_id).legend_format(legend))
    return panel


def steps(title: str, description: str, lines: dict[str, str]) -> timeseries.Panel:
    """Return a graph of whole numbers that jump."""
    return graph(title, description, "none", lines).line_interpolation(
        options.LineInterpolation.STEP_AFTER
    )


def figure(title: str, description: str, unit: str, expression: str) -> stat.Panel:
    """Return one number as it is now."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .span(WIDTH // 6)
        .height(4)
        .graph_mode(options.BigValueGraphMode.NONE)
        .color_mode(options.BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_query(expression).instant())
    )


def distribution(title: str, description: str, histogram: str) -> heatmap.Panel:
    """Return how the values of a histogram are distributed over time; labels may be given."""
    buckets = of_servers(f"increase({_of_buckets(histogram)}[$__rate_interval])")
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(THIRD)
        .height(HEIGHT)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heat.HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .exponent(0.5)
            .fill("blue")
            .steps(32)
        )
        .show_tooltip()
        .with_target(
            _query(f"sum by (le) ({buckets})")
            .format(queries.PromQueryFormat.HEATMAP)
            .legend_format("{{le}}")
        )
    )


def listing(title: str, description: str, expression: str, columns: list[str]) -> table.Panel:
    """Return the series that there are now, as a table of some of their labels."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(THIRD)
        .height(HEIGHT)
        .show_header(True)  # noqa: FBT003 - the builder's way
        .with_transformation(
            models.DataTransformerConfig(
                id_val="filterFieldsByName", options={"include": {"names": columns}}
            )
        )
        .with_target(_query(expression).instant().format(queries.PromQueryFormat.TABLE))
    )


def variable(name: str, label: str, values: str) -> grafana.QueryVariable:
    """Return a variable whose values are looked up again when the time range changes."""
    return (
        grafana.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query({"query": values, "refId": name})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _of_buckets(histogram: str) -> str:
    name, brace, labels = histogram.partition("{")
    return f"{name}_bucket{brace}{labels}"


def _query(expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expression).ref_id("A")
