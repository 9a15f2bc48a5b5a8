"""Formats of readings: JSON in pages, CSV and Parquet as a whole."""

from osgp.requests.api.formats import CSV, CsvRenderer, FormatNegotiation, StreamedRenderer

PARQUET = "application/vnd.apache.parquet"
FORMATS = {"json": "application/json", "csv": CSV, "parquet": PARQUET}

__all__ = ["CSV", "FORMATS", "PARQUET", "CsvRenderer", "FormatNegotiation", "ParquetRenderer"]


class ParquetRenderer(StreamedRenderer):
    media_type = PARQUET
    format = "parquet"
    charset = None
