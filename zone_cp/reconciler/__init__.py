"""Keeps every connected proxy's snapshot equal to what the view says, doing only what a change asks for."""
