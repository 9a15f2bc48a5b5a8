"""The metrics. Names, labels and buckets are a contract with the dashboards and alerts in deploy/."""

from osgp.metrics.exposition import Family, Kind

# --- Counted when they are over (rollup.py) ------------------------------------------------------------

REQUESTS_COMPLETED = Family(
    "osgp_requests_completed_total",
    Kind.COUNTER,
    "Requests that reached a final state. fault_code and fault are set for failed ones.",
)
REQUEST_ATTEMPTS = Family(
    "osgp_request_attempts_total",
    Kind.COUNTER,
    "Attempts of completed requests, the first ones included.",
)
REQUEST_RETRIES = Family(
    "osgp_request_retries_total",
    Kind.COUNTER,
    "Further attempts of completed requests, after a fault or a crash.",
)
REQUEST_CRASHES = Family(
    "osgp_request_crashes_total",
    Kind.COUNTER,
    "Crashes of completed requests: a worker was lost while it carried one out.",
)
REQUEST_WAIT = Family(
    "osgp_request_wait_seconds",
    Kind.HISTOGRAM,
    "From acceptance, or the time it was scheduled for, to the first attempt of completed requests.",
    bounds=(0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400),
)
SESSIONS_ENDED = Family(
    "osgp_sessions_ended_total",
    Kind.COUNTER,
    "Meter sessions by how they ended, CLOSED by their worker or LOST with it, and by the visit's fault.",
)
ASSOCIATIONS = Family("osgp_associations_total", Kind.COUNTER, "Closed meter sessions with an association.")
SESSION_DURATION = Family(
    "osgp_session_duration_seconds",
    Kind.HISTOGRAM,
    "From a worker's claim of a meter session to its end.",
    bounds=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
ROUND_TRIPS = Family(
    "osgp_session_round_trips_total",
    Kind.COUNTER,
    "APDUs sent to meters and answered, in closed meter sessions.",
)
BYTES_SENT = Family("osgp_session_sent_bytes_total", Kind.COUNTER, "Sent to meters in closed meter sessions.")
BYTES_RECEIVED = Family(
    "osgp_session_received_bytes_total", Kind.COUNTER, "Received from meters in closed meter sessions."
)
PUSHES = Family(
    "osgp_pushes_total",
    Kind.COUNTER,
    "Pushes of meters by transport and outcome: kept (RECEIVED), dropped and why, and what decoding made of "
    "those that were kept, once more.",
)
UNKNOWN_ALARM_BITS = Family(
    "osgp_unknown_alarm_bits_total",
    Kind.COUNTER,
    "Bits of pushed alarms that have no meaning, by alarm register and by the profile of the meter.",
)

COUNTED = (
    REQUESTS_COMPLETED,
    REQUEST_ATTEMPTS,
    REQUEST_RETRIES,
    REQUEST_CRASHES,
    REQUEST_WAIT,
    SESSIONS_ENDED,
    ASSOCIATIONS,
    SESSION_DURATION,
    ROUND_TRIPS,
    BYTES_SENT,
    BYTES_RECEIVED,
    PUSHES,
    UNKNOWN_ALARM_BITS,
)

# --- Looked up now and then (snapshot.py) --------------------------------------------------------------

REQUESTS_PENDING = Family(
    "osgp_requests_pending", Kind.GAUGE, "Waiting and running requests by message and state, as last counted."
)
DEVICES = Family("osgp_devices", Kind.GAUGE, "Devices by type and lifecycle status, as last counted.")
DEVICES_FAILING = Family(
    "osgp_devices_failing", Kind.GAUGE, "Meters whose last connection failed, as last counted."
)
WORKERS = Family(
    "osgp_workers",
    Kind.GAUGE,
    "Workers that claimed a meter session of the last five minutes, as last counted.",
)
SNAPSHOT_AGE = Family(
    "osgp_counted_age_seconds", Kind.GAUGE, "Age of the figures that are counted now and then."
)

# --- Looked up with every scrape (live.py) -------------------------------------------------------------

QUEUE_AGE = Family(
    "osgp_queue_age_seconds",
    Kind.GAUGE,
    "How long the oldest due request of each effective priority has been due; 0 without any.",
)
DISPATCHER_LAG = Family(
    "osgp_dispatcher_lag_seconds",
    Kind.GAUGE,
    "How long the oldest due request of any priority has been due; 0 without any.",
)
DISPATCHER_HEARTBEAT = Family(
    "osgp_dispatcher_heartbeat_age_seconds",
    Kind.GAUGE,
    "Time since a dispatcher's last heartbeat; +Inf before the first one.",
)
PROCESS_HEARTBEAT = Family(
    "osgp_process_heartbeat_age_seconds",
    Kind.GAUGE,
    "Time since the last heartbeat of any process of a kind; kinds that were never seen are missing.",
)
CLOCK_OFFSET = Family(
    "osgp_clock_offset_seconds",
    Kind.GAUGE,
    "How far the clock of a process is ahead of the database's, by its last heartbeat; of the web process "
    "that answers, now.",
)
SESSIONS_OPEN = Family(
    "osgp_sessions_open",
    Kind.GAUGE,
    "Meter sessions waiting for a worker (OPENED) and those of visits (CLAIMED).",
)
SLOTS = Family(
    "osgp_slots", Kind.GAUGE, "Visits that live workers can make at a time; 0 if one of them does not tell."
)
VISITS_OF_LANES = Family(
    "osgp_visits", Kind.GAUGE, "Live meter sessions by the lane whose slots they take: URGENT, NORMAL, SLOW."
)
HELD_BACK = Family(
    "osgp_held_back",
    Kind.GAUGE,
    "1 if a limit of this kind held due work back since a dispatcher's last heartbeat but one, else 0.",
)
ROLLUP_LAG = Family(
    "osgp_rollup_lag_seconds", Kind.GAUGE, "How far the counters are behind, for requests and meter sessions."
)
