//! A simulated Slack workspace, its page, and the demo that runs the service against it.
