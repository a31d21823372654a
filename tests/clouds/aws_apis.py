"""The APIs of AWS that no emulator serves, on loopback: those of the JSON 1.1 protocol, told apart by the prefix of
X-Amz-Target. botocore keeps it honest: each signature is made anew with botocore's own signer, each request and each
answer is checked against the service's model, so that nothing passes here that AWS's own client would not send or take.

    with AwsApis({"key id": "secret"}) as server:
        server.services["servicequotas"].quotas["us-east-1"] = [...]
        boto3.client("service-quotas", endpoint_url=server.url, ...)

A service is a subclass of Service; it is known to the server once it is in SERVICES. SPDX-License-Identifier: Apache-2.0
"""

import datetime
import hashlib
import hmac
import http.server
import json
import threading

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import botocore.validate

SKEW_MAX_S = 300


class Refused(Exception):
    """An error of the service's: its type, as the error table knows it, and the HTTP status."""

    def __init__(self, type_, message, status=400, headers=None):
        super().__init__(message)
        self.type, self.message, self.status, self.headers = type_, message, status, headers or {}


class Service:
    """One API. Each operation is a method of the operation's name: (region, request) -> answer."""

    botocore_name = None  # The folder in botocore's data.
    signing_name = None

    def __init__(self):
        data = botocore.loaders.Loader().load_service_model(self.botocore_name, "service-2")
        self.model = botocore.model.ServiceModel(data, self.botocore_name)
        self.target_prefix = self.model.metadata["targetPrefix"]


def page(items, request, default_size, token_key="NextToken", size_key="MaxResults"):
    """(the items of the request's page, the token of the next or None)"""
    size = request.get(size_key, default_size)
    token = request.get(token_key, "0")
    try:
        at = int(token, 36)
    except ValueError:
        raise Refused("InvalidPaginationTokenException", "The token is invalid.") from None
    end = at + size
    return items[at:end], (_base36(end) if end < len(items) else None)


def _base36(number):
    digits = ""
    while number or not digits:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits


class ServiceQuotas(Service):
    botocore_name = "service-quotas"
    signing_name = "servicequotas"

    def __init__(self):
        super().__init__()
        self.quotas = {}  # Region -> [ServiceQuota]; see quota().

    @staticmethod
    def quota(code, name, value, region="us-east-1", service="ec2", unit="None"):
        return {
            "ServiceCode": service,
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "QuotaArn": f"arn:aws:servicequotas:{region}:123456789012:{service}/{code}",
            "QuotaCode": code,
            "QuotaName": name,
            "Value": value,
            "Unit": unit,
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def ListServiceQuotas(self, region, request):
        mine = [q for q in self.quotas.get(region, []) if q["ServiceCode"] == request["ServiceCode"]]
        quotas, token = page(mine, request, 100)
        return {"Quotas": quotas, **({"NextToken": token} if token else {})}


SERVICES = [ServiceQuotas]


class AwsApis:
    """The server, in a thread of this process. secrets: key id -> secret. denied: operations that answer AccessDenied.
    faults: answers to give instead, the first to the next request: Refused, or bytes sent as they are with status 200.
    seen: (service, region, operation, request) of all that was let through."""

    def __init__(self, secrets):
        self.secrets, self.denied, self.faults, self.seen = secrets, set(), [], []
        self.services = {}
        for kind in SERVICES:
            self.services[kind.signing_name] = kind()
        self.lock = threading.Lock()
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"apis": self}))
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    def answer(self, method, url, headers, body):
        """The bytes of the answer. Raises Refused."""
        service, operation = self._route(headers.get("X-Amz-Target", ""))
        region = self._verify(service, method, url, headers, body)
        if headers.get("Content-Type") != "application/x-amz-json-1.1":
            raise Refused("UnknownOperationException", "the content type", 404)
        request = json.loads(body)
        model = service.model.operation_model(operation)
        report = botocore.validate.ParamValidator().validate(request, model.input_shape)
        if report.has_errors():
            raise Refused("ValidationException", report.generate_report())
        with self.lock:
            if operation in self.denied:
                raise Refused("AccessDeniedException", f"User is not authorized to perform: {operation}")
            self.seen.append((service.signing_name, region, operation, request))
            fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Refused):
            raise fault
        if fault is not None:
            return fault
        answer = getattr(service, operation)(region, request)
        report = botocore.validate.ParamValidator().validate(answer, model.output_shape)
        if report.has_errors():
            raise Refused("InternalFailure", f"the server is wrong: {report.generate_report()}", 500)
        return json.dumps(answer, ensure_ascii=False).encode()

    def _route(self, target):
        prefix, _, operation = target.partition(".")
        for service in self.services.values():
            if service.target_prefix == prefix and operation in service.model.operation_names:
                if hasattr(service, operation):
                    return service, operation
        raise Refused("UnknownOperationException", f"no such target: {target}", 404)

    def _verify(self, service, method, url, headers, body):
        """The region of a rightly signed request."""
        scheme, _, rest = headers.get("Authorization", "").partition(" ")
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if scheme != "AWS4-HMAC-SHA256" or fields.keys() != {"Credential", "SignedHeaders", "Signature"}:
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        key, date, region, name, _ = fields["Credential"].rsplit("/", 4)
        secret = self.secrets.get(key)
        if secret is None:
            raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.")
        stamp = headers.get("X-Amz-Date", "")
        sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs((datetime.datetime.now(datetime.timezone.utc) - sent).total_seconds()) > SKEW_MAX_S:
            raise Refused("InvalidSignatureException", f"Signature expired: {stamp}")
        names = fields["SignedHeaders"].split(";")
        if not {"host", "x-amz-date", "x-amz-target"} <= set(names) or name != service.signing_name or date != stamp[:8]:
            raise Refused("InvalidSignatureException", "Credential or headers are not those of this request.")
        claimed = headers.get("X-Amz-Content-Sha256")
        if claimed not in (None, hashlib.sha256(body).hexdigest()):
            raise Refused("InvalidSignatureException", "The body is not the one that was signed.")
        request = botocore.awsrequest.AWSRequest(method, url, {n: headers[n] for n in names}, body)
        request.context["timestamp"] = stamp
        signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret), name, region)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        if not hmac.compare_digest(signer.signature(text, request), fields["Signature"]):
            raise Refused("InvalidSignatureException", "The request signature we calculated does not match.")
        return region


class _Handler(http.server.BaseHTTPRequestHandler):
    apis = None
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = f"http://{self.headers['Host']}{self.path}"
        status, extra = 200, {}
        try:
            answer = self.apis.answer("POST", url, self.headers, body)
        except Refused as refused:
            status, extra = refused.status, refused.headers
            answer = json.dumps({"__type": refused.type, "message": refused.message}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass
