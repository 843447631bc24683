"""Work over many recordings on a Ray cluster, from and to object storage."""
