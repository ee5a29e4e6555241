"""What the teacher said, kept on disk. Knows keys and shards; knows nothing of files of data, students or training."""
