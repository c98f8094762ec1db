//! A simulated Slack workspace, its page, and the demo that runs the service against it.
use crate::app::AppError;
/// stub
pub async fn run(_once: bool) -> Result<(), AppError> {
    Ok(())
}
