"""What exists in a mesh: kinds, metadata, labels, schemas, wire forms. No I/O; imports nothing of ours."""
