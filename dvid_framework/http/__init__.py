"""HTTP: the way of a request from the socket to a route, and the routes of the core."""
