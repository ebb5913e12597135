"""What every write passes and brings along: rules of place, validation, labels, side effects, delete guards."""
