"""What the written student kept of its teacher. Knows answers, times and files; knows nothing of how a student was trained."""
