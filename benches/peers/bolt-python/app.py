"""Answers Slack's events with Bolt for Python, its asyncio app and its ASGI adapter, under uvicorn."""

import os

import uvicorn
from slack_bolt.adapter.asgi.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult

onboarded = set()


async def authorize(enterprise_id, team_id):
    """Spares the app from asking Slack whose token it has."""
    return AuthorizeResult(
        enterprise_id=enterprise_id, team_id=team_id, bot_token="xoxb-none", bot_id="B0", bot_user_id="U0"
    )


app = AsyncApp(signing_secret=os.environ["SLACK_SIGNING_SECRET"], authorize=authorize)


@app.event("user_change")
async def user_changed(event):
    user = event["user"]
    emoji = user["profile"]["status_emoji"]
    if user["id"] in onboarded:
        raise RuntimeError(f"nothing is kept for {user['id']} and {emoji}")


# Its path is /slack/events unless told otherwise.
api = AsyncSlackRequestHandler(app)

if __name__ == "__main__":
    # As many processes as WEB_CONCURRENCY says, which uvicorn reads by itself; one without it.
    uvicorn.run("app:api", host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False)
