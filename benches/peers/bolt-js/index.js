// Answers Slack's events with Bolt for JavaScript and its HTTPReceiver, in one process.

const { App, HTTPReceiver } = require('@slack/bolt');

const onboarded = new Set();

// Its endpoint is /slack/events unless told otherwise.
const receiver = new HTTPReceiver({ signingSecret: process.env.SLACK_SIGNING_SECRET });

// With an `authorize` of its own, the app asks Slack for nothing: not whose token it has either.
const app = new App({
  receiver,
  authorize: async () => ({ botToken: 'xoxb-none', botId: 'B0', botUserId: 'U0' }),
});

app.event('user_change', async ({ event }) => {
  const { id, profile } = event.user;
  const emoji = profile.status_emoji;
  if (onboarded.has(id)) {
    throw new Error(`nothing is kept for ${id} and ${emoji}`);
  }
});

app.start({ host: '127.0.0.1', port: Number(process.env.PORT) });
