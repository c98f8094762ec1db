//! The HTTP edge: the one list of routes.
