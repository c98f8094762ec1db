"""Deploys the template on moto, a simulated AWS that enforces roles, and runs the service against what it made.

Usage: deployed.py TEMPLATE SERVICE SIMULATED_SLACK (the template, and the two programs).
A member is onboarded with a picture, authorises, sets a status, is changed, and is forgotten; the roles are tried.
"""

import base64
import contextlib
import gzip
import http.cookies
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
from botocore.exceptions import ClientError

REGION = "eu-central-1"
MEMBER = "U0ANN"
# A picture of one pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(what, is_so, seconds=30):
    """Waits until it is so, and says it."""
    ends = time.monotonic() + seconds
    while not (found := is_so()):
        if time.monotonic() > ends:
            raise SystemExit(f"after {seconds} s still not: {what}")
        time.sleep(0.05)
    print(f"ok: {what}", flush=True)
    return found


class Unfollowed(urllib.request.HTTPRedirectHandler):
    """Redirections are looked at, not followed."""

    def redirect_request(self, *_):
        return None


BROWSER = urllib.request.build_opener(Unfollowed, urllib.request.ProxyHandler({}))


def call(method, url, body=None, **headers):
    """Status, headers and body of an answer; status 0 if there is none."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with BROWSER.open(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
    except OSError:
        return 0, {}, b""


@contextlib.contextmanager
def running(*command, environment=None, **options):
    process = subprocess.Popen(command, env=environment, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


class Aws:
    """The simulated AWS: its owner deploys, everybody else is held to his policies."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.keys = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}

    def client(self, service, keys=None):
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **(keys or self.keys))

    def deploy(self, template):
        self.keys = self.key_of_owner()
        formation = self.client("cloudformation")
        formation.create_stack(StackName="Statusinator", TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        stack = formation.describe_stacks(StackName="Statusinator")["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def key_of_owner(self):
        iam = self.client("iam")
        iam.create_user(UserName="owner")
        all_of_it = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam.put_user_policy(UserName="owner", PolicyName="all", PolicyDocument=json.dumps(all_of_it))
        return self.key("owner")

    def key(self, user):
        key = self.client("iam").create_access_key(UserName=user)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def enforce(self):
        status, _, _ = call("POST", f"{self.endpoint}/moto-api/reset-auth", b"0", Content_Type="text/plain")
        assert status == 200, status

    def assume(self, keys, role):
        given = self.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return self.client("s3", {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        })


def allowed(call):
    try:
        call()
        return True
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("AccessDenied", "403"), error
        return False


def told(call):
    """The code of the error that a call ends with."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]


def try_roles(aws, user, printed, bucket):
    """What each may do to each kind of object; told as the letters of get, put and delete."""
    clients = {"user": aws.client("s3", user)}
    for role in ("READ", "WRITE", "EXPORT"):
        clients[role] = aws.assume(user, printed[f"STATUSINATOR_{role}_ROLE_ARN"])
    owner = aws.client("s3")
    expected = {
        "users.json": {"user": "", "READ": "g", "WRITE": "gpd", "EXPORT": ""},
        "tokens/U0TRY": {"user": "", "READ": "g", "WRITE": "gpd", "EXPORT": ""},
        "U0TRY/0.png": {"user": "", "READ": "g", "WRITE": "gpd", "EXPORT": ""},
        "W0TRY/0.png": {"user": "", "READ": "g", "WRITE": "gpd", "EXPORT": ""},
        "check/try": {"user": "", "READ": "", "WRITE": "gpd", "EXPORT": ""},
        "exports/logs/try": {"user": "", "READ": "", "WRITE": "", "EXPORT": "p"},
        "else": {"user": "", "READ": "", "WRITE": "", "EXPORT": ""},
    }
    for key, who in expected.items():
        for name, client in clients.items():
            owner.put_object(Bucket=bucket, Key=key, Body=b"{}")
            may = "".join(
                letter
                for letter, tried in (
                    ("g", lambda: client.get_object(Bucket=bucket, Key=key)),
                    ("p", lambda: client.put_object(Bucket=bucket, Key=key, Body=b"{}")),
                    ("d", lambda: client.delete_object(Bucket=bucket, Key=key)),
                )
                if allowed(tried)
            )
            assert may == who[name], f"{name} may {may!r} of {key}, not {who[name]!r}"
        owner.delete_object(Bucket=bucket, Key=key)
    lists = {name: allowed(lambda: client.list_objects_v2(Bucket=bucket)) for name, client in clients.items()}
    assert lists == {"user": False, "READ": True, "WRITE": True, "EXPORT": False}, lists
    missing = {name: told(lambda: client.get_object(Bucket=bucket, Key="U0TRY/missing.png")) for name, client in clients.items()}
    assert missing["READ"] == missing["WRITE"] == "NoSuchKey" and missing["EXPORT"] == "AccessDenied", missing
    print(f"ok: each role may do what it must and nothing else, on {len(expected)} kinds of object", flush=True)


def authorise(service, slack):
    """Goes the member's way through consent, as his browser would."""
    _, headers, _ = call("GET", f"{service}/slack/install")
    cookie = http.cookies.SimpleCookie(headers["Set-Cookie"])
    wish = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(headers["Location"]).query))
    answer = urllib.parse.urlencode({
        "user_scope": wish["user_scope"],
        "redirect_uri": wish["redirect_uri"],
        "state": wish["state"],
        "user": MEMBER,
        "decision": "allow",
    })
    _, headers, _ = call("POST", f"{slack['page']}/oauth/v2/authorize", answer.encode())
    sent = "; ".join(f"{name}={morsel.value}" for name, morsel in cookie.items())
    status, _, page = call("GET", headers["Location"], Cookie=sent)
    assert status == 200, page


def main_job(service, slack, objects):
    bearer = {"Authorization": f"Bearer {slack['administrators_token']}"}
    status, _, body = call("POST", f"{service}/onboard/{MEMBER}/pictures", PICTURE, Content_Type="image/png", **bearer)
    assert status == 201, body
    presets = {":palm_tree:": {"name": "Ann (away)", "picture": json.loads(body)["picture"]}, "default": {"name": "Ann"}}
    status, _, body = call("POST", f"{service}/onboard", json.dumps({MEMBER: presets}).encode(), **bearer)
    assert status == 200, body
    print("ok: a member is onboarded with a picture", flush=True)
    authorise(service, slack)
    assert f"tokens/{MEMBER}" in objects(), objects()
    print("ok: his token lies sealed in the bucket", flush=True)

    def profile():
        members = json.loads(call("GET", f"{slack['page']}/demo/state")[2])
        return next(member for member in members if member["id"] == MEMBER)

    wait("his name is as his default says", lambda: profile()["name"] == "Ann")
    status = urllib.parse.urlencode({"user": MEMBER, "emoji": ":palm_tree:"})
    call("POST", f"{slack['page']}/demo/status", status.encode())
    wait("his status changed his name and picture", lambda: profile()["name"] == "Ann (away)" and profile()["photo"])
    status, _, body = call("DELETE", f"{service}/onboard/{MEMBER}", **bearer)
    assert status == 200, body
    assert not [key for key in objects() if MEMBER in key], objects()
    print("ok: he is forgotten", flush=True)


def all_settings(slack, port, settings, folder):
    """The environment in which the service runs: nothing of ours but what it must be told."""
    return {
        **settings,
        "PATH": os.environ["PATH"],
        "STATUSINATOR_BIND": f"127.0.0.1:{port}",
        "STATUSINATOR_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "STATUSINATOR_VAULT_KEY": base64.b64encode(os.urandom(32)).decode(),
        "STATUSINATOR_LOG_FORMAT": "json",
        "STATUSINATOR_DATA_DIR": f"{folder}/data",
        "SLACK_API_URL": slack["api_url"],
        "SLACK_SIGNING_SECRET": slack["signing_secret"],
        "SLACK_BOT_TOKEN": slack["bot_token"],
        "SLACK_CLIENT_ID": slack["client_id"],
        "SLACK_CLIENT_SECRET": slack["client_secret"],
    }


def check(binary, environment, folder):
    """What `statusinator check` says, and its exit status."""
    checked = subprocess.run([binary, "check"], env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    return checked.returncode, checked.stdout + checked.stderr


def try_check(binary, environment, folder):
    status, told = check(binary, environment, folder)
    assert status == 0 and told.count("ok ") == 8, told
    print("ok: check finds nothing wrong", flush=True)
    too_much = {"STATUSINATOR_READ_ROLE_ARN": environment["STATUSINATOR_WRITE_ROLE_ARN"]}
    status, told = check(binary, {**environment, **too_much}, folder)
    assert status == 1 and "FAILED  STATUSINATOR_READ_ROLE_ARN" in told and "the role may also write" in told, told
    nobodys = {"STATUSINATOR_EXPORT_ROLE_ARN": environment["STATUSINATOR_EXPORT_ROLE_ARN"] + "-gone"}
    status, told = check(binary, {**environment, **nobodys}, folder)
    assert status == 1 and "correct STATUSINATOR_EXPORT_ROLE_ARN" in told, told
    readers = {"STATUSINATOR_WRITE_ROLE_ARN": environment["STATUSINATOR_READ_ROLE_ARN"]}
    status, told = check(binary, {**environment, **readers}, folder)
    denied = [line for line in told.splitlines() if line.startswith("FAILED") and "AccessDenied for PutObject" in line]
    assert status == 1 and denied and "grant it s3:PutObject there" in denied[0], told
    print("ok: who may only read and should write is told:", denied[0], flush=True)
    print("ok: check finds a role that may too much, and one that is not there", flush=True)
    try_check_of_writers(binary, environment, folder)


def try_check_of_writers(binary, environment, folder):
    """A role that cannot be assumed is not one that is denied something; and without a role the credentials are tried."""
    write, export = "STATUSINATOR_WRITE_ROLE_ARN", "STATUSINATOR_EXPORT_ROLE_ARN"
    status, told = check(binary, {**environment, write: environment[write] + "-gone"}, folder)
    of_write = {line.split()[0] for line in told.splitlines() if line.split()[1:2] == [write]}
    assert status == 1 and of_write == {"FAILED"}, told
    print("ok: check finds that the role for writing is not there", flush=True)
    plain = {name: value for name, value in environment.items() if name != export}
    status, told = check(binary, plain, folder)
    failed = [line for line in told.splitlines() if line.startswith("FAILED")]
    assert status == 1 and any("export" in line.lower() for line in failed), told
    print("ok: check finds that the credentials may not write exports, where no role is set for it", flush=True)


def serve(binary, environment, folder):
    log = open(f"{folder}/service.log", "wb")
    return running(binary, "serve", environment=environment, cwd=folder, stdout=log, stderr=log)


def exported(aws, bucket, names, data):
    """Whether logs and metrics went to the bucket, in the role for exports, and left the disk."""
    for kind, text in (("logs", b'"msg":"stopped"'), ("metrics", b"s3_fetch_latency,")):
        keys = [name for name in names if name.startswith(f"exports/{kind}/")]
        bodies = [gzip.decompress(aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
        assert any(text in body for body in bodies), (kind, names)
        assert not os.listdir(f"{data}/{kind}"), os.listdir(f"{data}/{kind}")
    print("ok: logs and metrics are exported", flush=True)


def main(template, binary, simulated_slack):
    aws_port, port = free_port(), free_port()
    aws = Aws(f"http://127.0.0.1:{aws_port}")
    service = f"http://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        moto = [os.path.join(os.path.dirname(sys.executable), "moto_server"), "-H", "127.0.0.1", "-p", str(aws_port)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        stack.enter_context(running(*moto, **quiet))
        wait("moto answers", lambda: call("GET", f"{aws.endpoint}/moto-api/data.json")[0] == 200)
        outputs = aws.deploy(open(template).read())
        print("ok: the template is deployed", flush=True)
        printed = dict(line.split("=", 1) for line in outputs["Settings"].splitlines())
        bucket = printed["STATUSINATOR_STORE"].removeprefix("s3://")
        user = aws.key(outputs["UserName"])
        aws.enforce()
        try_roles(aws, user, printed, bucket)

        def objects():
            return [found["Key"] for found in aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])]

        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        simulated = stack.enter_context(running(simulated_slack, service, **pipes))
        slack = json.loads(simulated.stdout.readline())
        settings = {
            **printed,
            **{name.upper(): value for name, value in user.items()},
            "AWS_ENDPOINT_URL_S3": aws.endpoint,
            "AWS_ENDPOINT_URL_STS": aws.endpoint,
        }
        environment = all_settings(slack, port, settings, folder)
        try_check(binary, environment, folder)
        try:
            with serve(binary, environment, folder) as process:
                wait("the service is ready", lambda: call("GET", f"{service}/readyz")[0] == 200)
                main_job(service, slack, objects)
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0, process.returncode
                print("ok: it stopped in order", flush=True)
            exported(aws, bucket, objects(), f"{folder}/data")
        except BaseException:
            sys.stderr.write(open(f"{folder}/service.log").read())
            raise


if __name__ == "__main__":
    main(*map(os.path.abspath, sys.argv[1:]))
