"""Source/destination policies of the time before targetRef. Deleting this folder removes the generation."""
