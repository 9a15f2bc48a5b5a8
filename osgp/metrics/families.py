"""What is measured. Names, labels and buckets are a contract with the dashboards and alerts in deploy/."""

from osgp.metrics.exposition import Family, Kind

# --- Counted from what is over (rollup.py) -------------------------------------------------------------

REQUESTS_COMPLETED = Family(
    "osgp_requests_completed_total",
    Kind.COUNTER,
    "Requests that reached a final state. fault_code and fault are those of failed ones.",
)
REQUEST_ATTEMPTS = Family(
    "osgp_request_attempts_total",
    Kind.COUNTER,
    "Times that completed requests were begun, the first time included.",
)
REQUEST_RETRIES = Family(
    "osgp_request_retries_total",
    Kind.COUNTER,
    "Times that completed requests were begun again after a fault or a crash.",
)
REQUEST_CRASHES = Family(
    "osgp_request_crashes_total",
    Kind.COUNTER,
    "Times that a worker was lost while it carried out one of the completed requests.",
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
    "Sessions by how they ended: CLOSED by their worker, or LOST with it. With the fault that ended a visit.",
)
ASSOCIATIONS = Family(
    "osgp_associations_total", Kind.COUNTER, "Closed sessions in which an association was held."
)
SESSION_DURATION = Family(
    "osgp_session_duration_seconds",
    Kind.HISTOGRAM,
    "From a worker's claim of a session to its end.",
    bounds=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
ROUND_TRIPS = Family(
    "osgp_session_round_trips_total", Kind.COUNTER, "APDUs sent to meters and answered, in closed sessions."
)
BYTES_SENT = Family("osgp_session_sent_bytes_total", Kind.COUNTER, "Sent to meters in closed sessions.")
BYTES_RECEIVED = Family(
    "osgp_session_received_bytes_total", Kind.COUNTER, "Received from meters in closed sessions."
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
)

# --- Looked up now and then (snapshot.py) --------------------------------------------------------------

REQUESTS_PENDING = Family(
    "osgp_requests_pending", Kind.GAUGE, "Requests that wait or run, by message and state, as last counted."
)
DEVICES = Family("osgp_devices", Kind.GAUGE, "Devices by type and lifecycle status, as last counted.")
DEVICES_FAILING = Family(
    "osgp_devices_failing", Kind.GAUGE, "Meters that could not be reached the last time, as last counted."
)
WORKERS = Family(
    "osgp_workers", Kind.GAUGE, "Workers that claimed a session of the last five minutes, as last counted."
)
SNAPSHOT_AGE = Family(
    "osgp_counted_age_seconds", Kind.GAUGE, "How old the figures are that are counted now and then."
)

# --- Looked up with every scrape (live.py) -------------------------------------------------------------

QUEUE_AGE = Family(
    "osgp_queue_age_seconds",
    Kind.GAUGE,
    "How long the oldest due request of each effective priority has been due; 0 when none is.",
)
DISPATCHER_LAG = Family(
    "osgp_dispatcher_lag_seconds",
    Kind.GAUGE,
    "How long the oldest due request has been due, whatever its priority; 0 when none is.",
)
DISPATCHER_HEARTBEAT = Family(
    "osgp_dispatcher_heartbeat_age_seconds",
    Kind.GAUGE,
    "Since a dispatcher was last seen at work; +Inf when none ever was.",
)
SESSIONS_OPEN = Family(
    "osgp_sessions_open",
    Kind.GAUGE,
    "Sessions waiting for a worker (OPENED) and those in which a meter is visited (CLAIMED).",
)
ROLLUP_LAG = Family(
    "osgp_rollup_lag_seconds", Kind.GAUGE, "How far the counters are behind, for requests and sessions."
)
