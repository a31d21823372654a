"""The APIs of AWS that no emulator serves, on loopback: those of the JSON 1.1 protocol, told apart by the prefix of
X-Amz-Target. botocore keeps it honest: each signature is made anew with botocore's own signer, each request and each
answer is checked against the service's model, so that nothing passes here that AWS's own client would not send or take.

    with AwsApis({"key id": "secret"}) as server:
        server.services["servicequotas"].quotas["us-east-1"] = [...]
        boto3.client("service-quotas", endpoint_url=server.url, ...)

A service is a subclass of Service; it is known to the server once it is in SERVICES. SPDX-License-Identifier: Apache-2.0
"""

import csv
import datetime
import decimal
import gzip
import hashlib
import hmac
import http.client
import http.server
import json
import threading
import urllib.parse
import zlib

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


class Pricing(Service):
    botocore_name = "pricing"
    signing_name = "pricing"

    def __init__(self):
        super().__init__()
        self.products = []  # See product() and load().
        self.page_size_max = 100

    @staticmethod
    def product(region, type_, price, **attributes):
        """As AWS writes it: a shared Linux machine, unless the attributes say otherwise. price: USD, as text."""
        sku = f"SKU{zlib.crc32(f'{region}/{type_}/{sorted(attributes.items())}'.encode()):08X}"
        term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
        return {
            "product": {"productFamily": "Compute Instance", "sku": sku, "attributes": {
                "servicecode": "AmazonEC2", "regionCode": region, "instanceType": type_, "operatingSystem": "Linux",
                "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used", "operation": "RunInstances",
                "processorArchitecture": "64-bit", **attributes}},
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {term: {"priceDimensions": {rate: {
                "unit": "Hrs", "beginRange": "0", "endRange": "Inf", "rateCode": rate, "appliesTo": [],
                "description": f"${price} per On Demand Linux {type_} Instance Hour",
                "pricePerUnit": {"USD": price}}},
                "sku": sku, "effectiveDate": "2026-11-01T00:00:00Z", "offerTermCode": "JRTCKXETXF",
                "termAttributes": {}}}},
            "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
        }

    def load(self, catalogue, regions, factor=1):
        """What the catalogue sells in these regions, at `factor` times its prices; and as much that must be filtered."""
        with gzip.open(catalogue, "rt", newline="") as file:
            for row in csv.DictReader(file):
                if row["provider"] != "aws" or row["region"] not in regions or not row["price_ondemand_usd_hr"]:
                    continue
                price = f"{decimal.Decimal(row['price_ondemand_usd_hr']) * factor:.10f}"
                arm = row["arch"] == "arm64"
                what = {"vcpu": str(int(float(row["vcpu"]))), "memory": f"{float(row['memory_gib']):,g} GiB",
                        "physicalProcessor": "AWS Graviton2 Processor" if arm else "Intel Xeon Platinum 8259CL",
                        **({"gpu": row["gpu_count"]} if row["gpu_count"] not in ("", "0") else {})}
                of = row["region"], row["instance_type"]
                self.products.append(self.product(*of, price, **what))
                self.products.append(self.product(*of, "99.0", operatingSystem="Windows", **what))
                self.products.append(self.product(*of, "0.0000000000", capacitystatus="AllocatedCapacityReservation", **what))

    def GetProducts(self, region, request):
        if region not in ("us-east-1", "eu-central-1", "ap-south-1"):
            raise Refused("UnrecognizedClientException", "The API is not in this region.")
        if request.get("FormatVersion", "aws_v1") != "aws_v1":
            raise Refused("InvalidParameterException", "The format version is not valid.")
        found = self.products
        for one in request.get("Filters", []):
            if one["Type"] != "TERM_MATCH":
                raise Refused("InvalidParameterException", "Only TERM_MATCH is known here.")
            found = [p for p in found if p["product"]["attributes"].get(one["Field"]) == one["Value"]]
        found = [p for p in found if p["serviceCode"] == request["ServiceCode"]]
        products, token = page(found, request, self.page_size_max)
        lines = [json.dumps(product) for product in products]
        return {"FormatVersion": "aws_v1", "PriceList": lines, **({"NextToken": token} if token else {})}


class CostExplorer(Service):
    botocore_name = "ce"
    signing_name = "ce"

    def __init__(self):
        super().__init__()
        self.costs = []  # (date, service, region, unblended, amortized)
        self.days_per_page = 7

    def GetCostAndUsage(self, region, request):
        if region != "us-east-1":
            raise Refused("UnrecognizedClientException", "The API is not in this region.")
        if request["Granularity"] != "DAILY" or [g["Key"] for g in request["GroupBy"]] != ["SERVICE", "REGION"]:
            raise Refused("ValidationException", "Only days by service and region are known here.")
        begin, end = (datetime.date.fromisoformat(request["TimePeriod"][k]) for k in ("Start", "End"))
        days = [begin + datetime.timedelta(days=i) for i in range((end - begin).days)]
        days, token = page(days, {"NextPageToken": request.get("NextPageToken", "0")}, self.days_per_page, "NextPageToken")
        results = []
        for day in days:
            groups = [{"Keys": [service, where], "Metrics": {
                "UnblendedCost": {"Amount": unblended, "Unit": "USD"},
                "AmortizedCost": {"Amount": amortized, "Unit": "USD"}}}
                for date, service, where, unblended, amortized in self.costs if date == day]
            period = {"Start": day.isoformat(), "End": (day + datetime.timedelta(days=1)).isoformat()}
            results.append({"TimePeriod": period, "Total": {}, "Groups": groups, "Estimated": False})
        return {"ResultsByTime": results, "DimensionValueAttributes": [], **({"NextPageToken": token} if token else {})}


SERVICES = [ServiceQuotas, Pricing, CostExplorer]


class AwsApis:
    """The server, in a thread of this process. secrets: key id -> secret. denied: operations that answer AccessDenied.
    faults: answers to give instead, the first to the next request: Refused, or bytes sent as they are with status 200.
    seen: (service, region, operation, request) of all that was let through. upstream: an emulator that gets, as they
    came, the requests for what is not served here."""

    def __init__(self, secrets, upstream=None):
        self.upstream = urllib.parse.urlsplit(upstream).netloc if upstream else None
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

    def _forward(self, body):
        connection = http.client.HTTPConnection(self.apis.upstream, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            reply = connection.getresponse()
            answer = reply.read()
            self.send_response_only(reply.status)
            for name, value in reply.getheaders():
                if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        finally:
            connection.close()

    def do_GET(self):
        if self.apis.upstream is None:
            self.send_error(404)
        else:
            self._forward(b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        prefixes = {service.target_prefix for service in self.apis.services.values()}
        if self.apis.upstream and self.headers.get("X-Amz-Target", "").partition(".")[0] not in prefixes:
            self._forward(body)
            return
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
