"""One page that shows the platform: what is known of it as plain data, and that as HTML."""
