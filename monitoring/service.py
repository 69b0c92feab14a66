"""The dashboard of one service: what its clients get, what its servers do, what is decided."""

from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.models import dashboard as models
from panels import (
    DATASOURCE,
    SERVICE,
    distribution,
    figure,
    graph,
    listing,
    mean,
    of_servers,
    quantile,
    rate,
    steps,
    variable,
)

OBJECTIVE = f"max(asr_operator_final_latency_objective_seconds{SERVICE})"
DESIRED_REPLICAS = f"max(asr_operator_desired_replicas{SERVICE})"
DESIRED_BATCH = f"max(asr_operator_desired_batch_size{SERVICE})"
RUNNING = f"count(asr_server_info{SERVICE})"
# Files wait for live speech: the objective is of live finals alone.
LIVE_LATENCY = 'asr_final_latency_seconds{mode!="offline"}'
FILE_LATENCY = 'asr_final_latency_seconds{mode="offline"}'
LIVE_WAIT = 'asr_queue_wait_seconds{class="final"}'
FILE_WAIT = 'asr_queue_wait_seconds{class="file"}'


def build_dashboard() -> models.Dashboard:
    """Return the dashboard."""
    board = (
        grafana.Dashboard("ASR service")
        .uid("asr-service")
        .description("One AsrService: sessions, latency, batches, servers and what is decided.")
        .tags(["asr"])
        .time("now-1h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(grafana.DatasourceVariable("datasource").label("Source").type("prometheus"))
        .with_variable(
            variable("namespace", "Namespace", "label_values(asr_server_info, asr_namespace)")
        )
        .with_variable(
            variable(
                "service",
                "Service",
                'label_values(asr_server_info{asr_namespace="$namespace"}, asr_service)',
            )
        )
        .annotation(
            grafana.AnnotationQuery()
            .name("Retuned")
            .datasource(DATASOURCE)
            .enable(True)  # noqa: FBT003 - the builder's way
            .icon_color("purple")
            .expr(
                f"changes(asr_operator_desired_replicas{SERVICE}[1m]) > 0"
                f" or changes(asr_operator_desired_batch_size{SERVICE}[1m]) > 0"
            )
        )
    )
    for add in (add_figures, add_clients, add_servers, add_batches, add_scaling):
        add(board)
    built = board.build()
    for number, panel in enumerate(built.panels or (), 1):
        panel.id_val = number
    return built


def add_figures(board: grafana.Dashboard) -> None:
    """Show how it is now."""
    latency, wait = quantile(0.95, LIVE_LATENCY), quantile(0.95, LIVE_WAIT)
    duty = of_servers(rate("asr_engine_busy_seconds_total"))
    for panel in (
        figure("Sessions", "Open sessions.", "none", f"sum({of_servers('asr_sessions')})"),
        figure(
            "Live final latency, p95",
            "From when the end of live speech can be known to its final. Files are not in it.",
            "s",
            latency,
        ),
        figure(
            "Live queue wait, p95",
            "How long a live final waits for a batch. Files are not in it.",
            "s",
            wait,
        ),
        figure("Duty", "Share of the time that engines compute.", "percentunit", f"avg({duty})"),
        figure("Servers", "Servers that Prometheus sees.", "none", RUNNING),
        figure("Batch size", "The largest batch that servers may form.", "none", DESIRED_BATCH),
    ):
        board.with_panel(panel)


def add_clients(board: grafana.Dashboard) -> None:
    """Show what clients get."""
    board.with_row(grafana.Row("What clients get"))
    board.with_panel(
        graph(
            "Sessions",
            "Open sessions by state, newcomers that wait to be let in, and the limits in force: of "
            "all sessions, and of live streams, which follows from how many were carried.",
            "none",
            {
                "{{state}}": f"sum by (state) ({of_servers('asr_sessions')})",
                "waiting at the door": f"sum({of_servers('asr_waiting_sessions')})",
                "session limit": f"sum({of_servers('asr_session_limit')})",
                "live stream limit": f"sum({of_servers('(asr_stream_limit < +Inf)')})",
            },
        )
    ).with_panel(
        graph(
            "Final latency",
            "From when the end of live speech can be known, or from the end of a file, to the "
            "final sent.",
            "s",
            {
                "live p50": quantile(0.5, LIVE_LATENCY),
                "live p95": quantile(0.95, LIVE_LATENCY),
                "live p99": quantile(0.99, LIVE_LATENCY),
                "objective of live finals": OBJECTIVE,
                "files p95": quantile(0.95, FILE_LATENCY),
            },
        )
    ).with_panel(
        graph("Answers and refusals", "Inputs answered and sessions refused.", "ops", {
            "{{outcome}}": f"sum by (outcome) ({of_servers(rate('asr_utterances_total'))})",
            "refused: {{reason}}": (
                f"sum by (reason) ({of_servers(rate('asr_refused_sessions_total'))})"
            ),
        })
    )  # fmt: skip


def add_servers(board: grafana.Dashboard) -> None:
    """Show what servers do."""
    received, answered = (
        f"sum({of_servers(rate(f'asr_{each}_total'))})"
        for each in ("received_audio_seconds", "audio_seconds")
    )
    busy = rate("asr_engine_busy_seconds_total")
    shed = of_servers("asr_shedding_step", "asr_pod")
    board.with_row(grafana.Row("What servers do"))
    board.with_panel(
        graph("Queue wait", "How long an item waits for a batch of a stage.", "s", {
            "live finals p50": quantile(0.5, LIVE_WAIT),
            "live finals p95": quantile(0.95, LIVE_WAIT),
            "live finals p99": quantile(0.99, LIVE_WAIT),
            "files p95": quantile(0.95, FILE_WAIT),
        })
    ).with_panel(
        graph("Audio", "Seconds of audio that come in and go out, per second.", "none", {
            "received": received,
            "answered": answered,
        })
    ).with_panel(
        graph("Duty", "Share of the time that an engine computes.", "percentunit", {
            "{{asr_pod}}": f"sum by (asr_pod) ({of_servers(busy, 'asr_pod')})",
        })
    ).with_panel(
        steps(
            "Shedding",
            "What a server leaves undone so that finals are in time. 1: partials come less often; "
            "2: there are none in 2pass; 3: files wait; 4: new sessions are refused.",
            {"{{asr_pod}}": f"max by (asr_pod) ({shed})"},
        )
    )  # fmt: skip


def add_batches(board: grafana.Dashboard) -> None:
    """Show how batches are formed."""
    released = of_servers(rate('asr_batch_release_total{stage="asr"}'))
    board.with_row(grafana.Row("Batches"))
    board.with_panel(
        steps("Batch size", "What is asked for, what is in force, and what is formed.", {
            "desired": DESIRED_BATCH,
            "largest limit in force": f"max({of_servers('asr_batch_size_limit')})",
            "smallest limit in force": f"min({of_servers('asr_batch_size_limit')})",
            "mean of {{stage}}": mean("asr_batch_size", "stage"),
        })
    ).with_panel(
        distribution(
            "Sizes of batches", "Batches of the recognizer by size.",
            'asr_batch_size{stage="asr"}',
        )
    ).with_panel(
        graph(
            "What closes batches",
            "Only where size closes them does a larger batch size change anything.",
            "ops",
            {"{{reason}}": f"sum by (reason) ({released})"},
            stacked=True,
        )
    )  # fmt: skip


def add_scaling(board: grafana.Dashboard) -> None:
    """Show what is decided, and how the service is."""
    board.with_row(grafana.Row("Scaling"))
    board.with_panel(
        steps("Replicas", "Server pods that are asked for, and those that run.", {
            "desired": DESIRED_REPLICAS,
            "running": RUNNING,
        })
    ).with_panel(
        steps("Decisions", "Changes since the operator started; each step is one.", {
            "{{knob}} {{direction}}: {{reason}}": (
                f"sum by (knob, direction, reason) (asr_operator_decisions_total{SERVICE})"
            ),
        })
    ).with_panel(
        listing(
            "Conditions", "kubectl asr status says what to do about those that need attention.",
            f"asr_operator_condition{SERVICE}", ["type", "status", "reason"],
        )
    )  # fmt: skip
