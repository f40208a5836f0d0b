"""`tunec coach`: an interview in five topics that ends in a task.yaml. It asks what the data does not show."""
