"""The dataset on disk: shards, manifest, reader, status, inspection."""
