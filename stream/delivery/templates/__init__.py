"""One template a receiver: from an alert to the request that its documentation asks for."""
