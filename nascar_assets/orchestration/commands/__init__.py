"""What a person asks for in one command, over the same jobs and storage as the UI."""
