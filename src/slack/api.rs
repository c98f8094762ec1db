//! The Web API client: builds calls, reads answers, keeps deadlines.

/// The Web API over a transport.
pub struct WebApi;
