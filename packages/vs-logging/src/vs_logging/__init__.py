"""The run table: schema, crash-safe writer, lazy reader and importers."""
