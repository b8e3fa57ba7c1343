"""A dataset on disk: shards, manifest, reports, reader, status, inspection."""
