"""``readings_value``: one row per value, for users' own queries.

Limit ``day`` as well as ``interval_end``: chunks are found by day.
"""

NAME = "readings_value"

_FROM = """
  FROM readings_chunk c
  JOIN readings_series s ON s.id = c.series_id
  JOIN devices_device d ON d.id = s.device_id
"""

POSTGRESQL = f"""
CREATE VIEW {NAME} AS
SELECT d.identification AS device_identification, s.channel, s.quantity, s.period, c.start AS day,
       to_timestamp(c.begin + CASE WHEN c.step IS NULL THEN c.offsets[v.i]
                                   ELSE c.offsets[1] + (v.i - 1) * c.step END) AS interval_end,
       round(v.amount * power(10::numeric, c.exponent), greatest(-c.exponent, 0)) AS value, s.unit,
       nullif(CASE cardinality(c.statuses) WHEN 1 THEN c.statuses[1] ELSE c.statuses[v.i] END, -1) AS status,
       r.received_at, r.correlation_uid AS received_by, l.received_at AS confirmed_at
{_FROM}
 CROSS JOIN LATERAL unnest(c.amounts) WITH ORDINALITY AS v (amount, i)
  LEFT JOIN readings_delivery r
         ON r.id = CASE cardinality(c.received) WHEN 1 THEN c.received[1] ELSE c.received[v.i] END
  LEFT JOIN readings_delivery l
         ON l.id = CASE cardinality(c.confirmed) WHEN 1 THEN c.confirmed[1] ELSE c.confirmed[v.i] END
"""


def _select_element(column: str) -> str:
    return (
        f"json_extract(c.{column}, '$[' || CASE json_array_length(c.{column}) WHEN 1 THEN 0 ELSE v.key END"
        " || ']')"
    )


_POWER = "CAST('1' || substr('000000000000', 1, abs(c.exponent)) AS INTEGER)"

SQLITE = f"""
CREATE VIEW {NAME} AS
SELECT d.identification AS device_identification, s.channel, s.quantity, s.period, c.start AS day,
       datetime(c.begin + CASE WHEN c.step IS NULL THEN json_extract(c.offsets, '$[' || v.key || ']')
                               ELSE json_extract(c.offsets, '$[0]') + v.key * c.step END,
                'unixepoch') AS interval_end,
       CASE WHEN c.exponent >= 0 THEN CAST(v.value * {_POWER} AS TEXT)
            ELSE CASE WHEN v.value < 0 THEN '-' ELSE '' END || (abs(v.value) / {_POWER}) || '.'
                 || substr('000000' || (abs(v.value) % {_POWER}), c.exponent) END AS value, s.unit,
       nullif({_select_element("statuses")}, -1) AS status,
       r.received_at, r.correlation_uid AS received_by, l.received_at AS confirmed_at
{_FROM}
  JOIN json_each(c.amounts) v
  LEFT JOIN readings_delivery r ON r.id = {_select_element("received")}
  LEFT JOIN readings_delivery l ON l.id = {_select_element("confirmed")}
"""
