/*
 * The codes of AWS and what they mean to us: the one table. Sources: "Common Errors" of the EC2, Auto Scaling,
 * CloudWatch and STS API references, "Error codes for the Amazon EC2 API", "Troubleshooting Amazon EC2 Auto Scaling".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "adapters/aws/aws_internal.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

#define EXPIRED .class = ERR_PERMISSION, .hint = ERROR_HINT_EXPIRED
#define SKEW .class = ERR_PERMISSION, .hint = ERROR_HINT_SKEW

const struct error_rule aws_error_rules[] = {
    /* Too fast. */
    {.code = "Throttling*", .class = ERR_THROTTLED}, /* Throttling, ThrottlingException, ThrottledException */
    {.code = "Throttled*", .class = ERR_THROTTLED},
    {.code = "RequestThrottled*", .class = ERR_THROTTLED},
    {.code = "RequestLimitExceeded", .class = ERR_THROTTLED},
    {.code = "Client.RequestLimitExceeded", .class = ERR_THROTTLED},
    {.code = "TooManyRequests*", .class = ERR_THROTTLED},
    {.code = "EC2ThrottledException", .class = ERR_THROTTLED},
    {.code = "BandwidthLimitExceeded", .class = ERR_THROTTLED},
    {.code = "SlowDown", .class = ERR_THROTTLED},
    {.code = "PriorRequestNotComplete", .class = ERR_THROTTLED},
    {.code = "ProvisionedThroughputExceeded*", .class = ERR_THROTTLED},
    {.code = "SnapshotCreationPerVolumeRateExceeded", .class = ERR_THROTTLED},

    /* The credential has run out, or the clock is wrong. */
    {.code = "ExpiredToken*", EXPIRED},
    {.code = "TokenRefreshRequired", EXPIRED},
    {.code = "RequestExpired", EXPIRED},
    {.code = "AuthFailure", .message = "expired", EXPIRED},
    {.code = "InvalidClientTokenId", .message = "expired", EXPIRED},
    {.code = "RequestTimeTooSkewed", SKEW},
    {.code = "SignatureDoesNotMatch", SKEW}, /* Also "Signature expired" and "not yet current". */
    {.code = "InvalidSignatureException", SKEW},
    {.code = "AuthFailure", SKEW}, /* EC2's word for a wrong signature, and for a date too far off. */

    /* Not allowed. */
    {.code = "AccessDenied*", .class = ERR_PERMISSION},
    {.code = "UnauthorizedOperation", .class = ERR_PERMISSION},
    {.code = "UnauthorizedAccess", .class = ERR_PERMISSION},
    {.code = "NotAuthorized*", .class = ERR_PERMISSION},
    {.code = "InvalidClientTokenId", .class = ERR_PERMISSION},
    {.code = "InvalidAccessKeyId", .class = ERR_PERMISSION},
    {.code = "UnrecognizedClientException", .class = ERR_PERMISSION},
    {.code = "IncompleteSignature*", .class = ERR_PERMISSION},
    {.code = "MissingAuthenticationToken*", .class = ERR_PERMISSION},
    {.code = "InvalidToken*", .class = ERR_PERMISSION},
    {.code = "InvalidIdentityToken*", .class = ERR_PERMISSION},
    {.code = "IDPRejectedClaim", .class = ERR_PERMISSION},
    {.code = "RegionDisabledException", .class = ERR_PERMISSION},
    {.code = "OptInRequired", .class = ERR_PERMISSION},
    {.code = "AllAccessDisabled", .class = ERR_PERMISSION},
    {.code = "Blocked", .class = ERR_PERMISSION},
    {.code = "PendingVerification", .class = ERR_PERMISSION},
    {.code = "AuthorizationHeaderMalformed", .class = ERR_PERMISSION},
    {.code = "IDPCommunicationError", .class = ERR_RETRYABLE},

    /* The cloud has none of it now. */
    {.code = "InsufficientInstanceCapacity", .class = ERR_CAPACITY},
    {.code = "InsufficientHostCapacity", .class = ERR_CAPACITY},
    {.code = "InsufficientReservedInstanceCapacity", .class = ERR_CAPACITY},
    {.code = "InsufficientCapacity*", .class = ERR_CAPACITY},
    {.code = "InsufficientAddressCapacity", .class = ERR_CAPACITY},
    {.code = "InsufficientFreeAddressesInSubnet", .class = ERR_CAPACITY},
    {.code = "InsufficientVolumeCapacity", .class = ERR_CAPACITY},
    {.code = "ReservationCapacityExceeded", .class = ERR_CAPACITY},
    {.code = "UnfulfillableCapacity", .class = ERR_CAPACITY},
    {.code = "SpotMaxPriceTooLow", .class = ERR_CAPACITY},
    {.code = "Unsupported", .message = "availability zone", .class = ERR_CAPACITY},

    /* The world moved. */
    {.code = "ScalingActivityInProgress*", .class = ERR_CONFLICT},
    {.code = "ResourceInUse*", .class = ERR_CONFLICT},
    {.code = "AlreadyExists*", .class = ERR_CONFLICT},
    {.code = "ActiveInstanceRefreshNotFound*", .class = ERR_CONFLICT},
    {.code = "IncorrectInstanceState", .class = ERR_CONFLICT},
    {.code = "IncorrectState*", .class = ERR_CONFLICT},
    {.code = "IncorrectModificationState", .class = ERR_CONFLICT},
    {.code = "InvalidState*", .class = ERR_CONFLICT},
    {.code = "VolumeInUse", .class = ERR_CONFLICT},
    {.code = "DependencyViolation", .class = ERR_CONFLICT},
    {.code = "*.InUse", .class = ERR_CONFLICT}, /* InvalidSnapshot.InUse, InvalidIPAddress.InUse... */
    {.code = "IncorrectSpotRequestState", .class = ERR_CONFLICT},
    {.code = "ConcurrentSnapshotLimitExceeded", .class = ERR_CONFLICT}, /* Passes when the pending ones are complete. */
    {.code = "PendingSnapshotLimitExceeded", .class = ERR_CONFLICT},
    {.code = "IdempotentParameterMismatch", .class = ERR_PERMANENT},
    {.code = "IdempotentInstanceTerminated", .class = ERR_CONFLICT},
    {.code = "InvalidLaunchTemplate*", .class = ERR_PERMANENT}, /* Also "not found": it is named by the user. */
    {.code = "NoSuchBucket", .class = ERR_PERMANENT},           /* A matter of the Provider's spec, unlike the next. */
    {.code = "NoSuchKey", .class = ERR_CONFLICT},
    {.code = "PreconditionFailed", .class = ERR_CONFLICT},
    {.code = "PermanentRedirect", .class = ERR_PERMANENT}, /* S3: the bucket is in another region. */
    {.code = "*.NotFound", .class = ERR_CONFLICT},         /* InvalidInstanceID.NotFound, InvalidVolume.NotFound... */
    {.code = "*NotFound*", .class = ERR_CONFLICT},         /* ResourceNotFoundException, NotFoundException */
    {.code = "*.Duplicate", .class = ERR_CONFLICT},
    {.code = "ValidationError", .message = "not found", .class = ERR_CONFLICT},
    {.code = "ValidationError", .message = "does not exist", .class = ERR_CONFLICT},
    {.code = "ValidationError", .message = "pending delete", .class = ERR_CONFLICT},
    {.code = "ValidationError", .message = "is being deleted", .class = ERR_CONFLICT},
    /* Somebody moved the bounds since we read them. */
    {.code = "ValidationError", .message = "above max value", .class = ERR_CONFLICT},
    {.code = "ValidationError", .message = "below min value", .class = ERR_CONFLICT},
    {.code = "InvalidNextToken*", .class = ERR_RETRYABLE},
    {.code = "InvalidPaginationToken", .class = ERR_RETRYABLE},

    /* The service itself. A refusal for contention did nothing; a fault may have done it. */
    {.code = "ResourceContention*", .class = ERR_RETRYABLE},
    {.code = "ConcurrentModification*", .class = ERR_RETRYABLE},
    {.code = "ConcurrentTagAccess", .class = ERR_RETRYABLE},
    {.code = "ServiceUnavailable*", .class = ERR_RETRYABLE},
    {.code = "Unavailable", .class = ERR_RETRYABLE},
    {.code = "DataUnavailable*", .class = ERR_RETRYABLE}, /* Cost Explorer has not yet counted. */
    {.code = "ExpiredNextToken*", .class = ERR_RETRYABLE},
    {.code = "InternalFailure", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "Internal*",
     .class = ERR_RETRYABLE,
     .effect = EFFECT_UNKNOWN}, /* InternalError, InternalServiceFault... */
    {.code = "ServerInternal", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},
    {.code = "RequestTimeout*", .class = ERR_RETRYABLE, .effect = EFFECT_UNKNOWN},

    /* Our request is wrong, or a hard limit. */
    {.code = "ValidationError", .class = ERR_PERMANENT},
    {.code = "ValidationException", .class = ERR_PERMANENT},
    {.code = "Invalid*", .class = ERR_PERMANENT}, /* InvalidParameterValue, InvalidInput, InvalidAction... */
    {.code = "Missing*", .class = ERR_PERMANENT},
    {.code = "Malformed*", .class = ERR_PERMANENT},
    {.code = "Unknown*", .class = ERR_PERMANENT},
    {.code = "Unsupported*", .class = ERR_PERMANENT},
    {.code = "*LimitExceeded*", .class = ERR_PERMANENT}, /* InstanceLimitExceeded, VcpuLimitExceeded: quotas. */
    {.code = "MaxSpotInstanceCountExceeded", .class = ERR_PERMANENT},
    {.code = "OperationNotPermitted", .class = ERR_PERMANENT},
    {.code = "ResourceCountExceeded", .class = ERR_PERMANENT},
    {.code = "TagPolicyViolation", .class = ERR_PERMANENT},
    {.code = "DryRunOperation", .class = ERR_PERMANENT},
};
const size_t aws_error_rule_count = ARRAY_LEN(aws_error_rules);

/* "ErrorResponse/Error" (query), "Response/Errors/Error" (EC2), "Error" (S3), or other nestings of emulators. */
static const struct xml_node *find_error(struct exchange *exchange) {
    const struct xml_node *root;
    struct error ignored;
    if (xml_parse(buf_bytes(&exchange->request.reply), &exchange->arena, &root, &ignored) != ERR_NONE)
        return NULL;
    return xml_find(root, "Error");
}

struct refusal {
    const char *code, *message;
};

/* {"__type": "com.amazonaws.x#ThrottlingException", "message": "..."}; older services write "Message". */
static struct refusal read_json(struct exchange *exchange) {
    struct refusal refusal = {"", ""};
    struct json *root;
    struct error ignored;
    if (json_parse_trusted(buf_bytes(&exchange->request.reply), &root, &ignored) != ERR_NONE)
        return refusal;
    const char *code = json_string(json_get(root, "__type"), json_string(json_get(root, "code"), ""));
    const char *name = strrchr(code, '#');
    refusal.code = arena_strdup(&exchange->arena, name != NULL ? name + 1 : code);
    const char *message = json_string(json_get(root, "message"), json_string(json_get(root, "Message"), ""));
    refusal.message = arena_strdup(&exchange->arena, message);
    json_free(root);
    return refusal;
}

static struct refusal read_envelope(struct exchange *exchange) {
    const char *text = buf_text(&exchange->request.reply);
    if (text[strspn(text, " \t\r\n")] == '{')
        return read_json(exchange);
    const struct xml_node *error = find_error(exchange);
    return (struct refusal){xml_text(error, "Code"), xml_text(error, "Message")};
}

/* What of a message is the same with each try: statuses show it, and must stay as they are while nothing changes. EC2
 * appends some hundred characters that only sts:DecodeAuthorizationMessage can read; others the times. */
static const char *without_changing_part(struct exchange *exchange, const char *message) {
    static const struct {
        const char *text;
        size_t kept; /* Of the text. */
    } changing[] = {
        {" Encoded authorization failure message", 0},
        {"Signature expired: ", sizeof("Signature expired") - 1},
        {"Signature not yet current: ", sizeof("Signature not yet current") - 1},
        {" Timestamp date is", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(changing); i++) {
        const char *at = strstr(message, changing[i].text);
        if (at != NULL)
            return arena_strndup(&exchange->arena, message, (size_t)(at - message) + changing[i].kept);
    }
    return message;
}

enum error_hint aws_read_refusal(const struct call *call, struct exchange *exchange, struct error *err) {
    struct refusal refusal = read_envelope(exchange);
    const char *code = refusal.code, *message = refusal.message;
    uint32_t status = exchange->request.status;
    const struct error_rule *rule = error_table_find(aws_error_rules, aws_error_rule_count, code, message, status);
    *err = (struct error){.class = rule->class, .effect = rule->effect};
    if (call != NULL)
        call_quote_code(call, code, err);
    else if (!str_copy(err->code, sizeof(err->code), code))
        err->code[0] = '\0'; /* No code is so long; a web identity token is. */
    if (code[0] == '\0') {
        error_set(err, rule->class, "HTTP status %u without an AWS error (%s)", status,
                  exchange->request.content_type[0] != '\0' ? exchange->request.content_type : "no content type");
        err->effect = rule->effect;
        return rule->hint;
    }
    if (call != NULL)
        call_quote(call, without_changing_part(exchange, message), err);
    if (err->code[0] != '\0')
        error_wrap(err, "%s", err->code);
    return rule->hint;
}

enum error_hint aws_refusal(struct call *call, struct error *err) {
    return aws_read_refusal(call, &call->exchange, err);
}
