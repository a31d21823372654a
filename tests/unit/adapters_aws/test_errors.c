/*
 * The table of AWS's codes, row by row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <criterion/criterion.h>

#include "adapters/aws/aws_internal.h"
#include "base/mem.h"

static const struct {
    const char *code, *message;
    uint32_t status;
    enum err_class class;
    enum err_effect effect;
    enum error_hint hint;
} rows[] = {
    {"Throttling", "Rate exceeded", 400, ERR_THROTTLED, 0, 0},
    {"ThrottlingException", "", 400, ERR_THROTTLED, 0, 0},
    {"ThrottledException", "", 400, ERR_THROTTLED, 0, 0},
    {"RequestThrottled", "", 400, ERR_THROTTLED, 0, 0},
    {"RequestThrottledException", "", 400, ERR_THROTTLED, 0, 0},
    {"RequestLimitExceeded", "", 503, ERR_THROTTLED, 0, 0},
    {"Client.RequestLimitExceeded", "", 400, ERR_THROTTLED, 0, 0},
    {"TooManyRequestsException", "", 429, ERR_THROTTLED, 0, 0},
    {"EC2ThrottledException", "", 400, ERR_THROTTLED, 0, 0},
    {"BandwidthLimitExceeded", "", 400, ERR_THROTTLED, 0, 0},
    {"SlowDown", "", 503, ERR_THROTTLED, 0, 0},
    {"PriorRequestNotComplete", "", 400, ERR_THROTTLED, 0, 0},
    {"ProvisionedThroughputExceededException", "", 400, ERR_THROTTLED, 0, 0},
    {"SnapshotCreationPerVolumeRateExceeded", "", 400, ERR_THROTTLED, 0, 0},
    {"ExpiredToken", "", 403, ERR_PERMISSION, 0, ERROR_HINT_EXPIRED},
    {"ExpiredTokenException", "", 400, ERR_PERMISSION, 0, ERROR_HINT_EXPIRED},
    {"TokenRefreshRequired", "", 400, ERR_PERMISSION, 0, ERROR_HINT_EXPIRED},
    {"RequestExpired", "", 400, ERR_PERMISSION, 0, ERROR_HINT_EXPIRED},
    {"AuthFailure", "The token has expired", 401, ERR_PERMISSION, 0, ERROR_HINT_EXPIRED},
    {"InvalidClientTokenId", "The security token has expired", 403, ERR_PERMISSION, 0, ERROR_HINT_EXPIRED},
    {"RequestTimeTooSkewed", "", 403, ERR_PERMISSION, 0, ERROR_HINT_SKEW},
    {"SignatureDoesNotMatch", "", 403, ERR_PERMISSION, 0, ERROR_HINT_SKEW},
    {"InvalidSignatureException", "", 403, ERR_PERMISSION, 0, ERROR_HINT_SKEW},
    {"AuthFailure", "AWS was not able to validate", 401, ERR_PERMISSION, 0, ERROR_HINT_SKEW},
    {"AccessDenied", "", 403, ERR_PERMISSION, 0, 0},
    {"AccessDeniedException", "", 400, ERR_PERMISSION, 0, 0},
    {"UnauthorizedOperation", "", 403, ERR_PERMISSION, 0, 0},
    {"UnauthorizedAccess", "", 400, ERR_PERMISSION, 0, 0},
    {"NotAuthorized", "", 400, ERR_PERMISSION, 0, 0},
    {"InvalidClientTokenId", "", 403, ERR_PERMISSION, 0, 0},
    {"InvalidAccessKeyId", "", 403, ERR_PERMISSION, 0, 0},
    {"UnrecognizedClientException", "", 400, ERR_PERMISSION, 0, 0},
    {"IncompleteSignature", "", 400, ERR_PERMISSION, 0, 0},
    {"MissingAuthenticationToken", "", 403, ERR_PERMISSION, 0, 0},
    {"InvalidToken", "", 400, ERR_PERMISSION, 0, 0},
    {"InvalidIdentityToken", "", 400, ERR_PERMISSION, 0, 0},
    {"IDPRejectedClaim", "", 403, ERR_PERMISSION, 0, 0},
    {"RegionDisabledException", "", 403, ERR_PERMISSION, 0, 0},
    {"OptInRequired", "", 403, ERR_PERMISSION, 0, 0},
    {"AllAccessDisabled", "", 403, ERR_PERMISSION, 0, 0},
    {"Blocked", "", 400, ERR_PERMISSION, 0, 0},
    {"PendingVerification", "", 400, ERR_PERMISSION, 0, 0},
    {"AuthorizationHeaderMalformed", "", 400, ERR_PERMISSION, 0, 0},
    {"IDPCommunicationError", "", 400, ERR_RETRYABLE, 0, 0},
    {"InsufficientInstanceCapacity", "", 500, ERR_CAPACITY, 0, 0},
    {"InsufficientHostCapacity", "", 400, ERR_CAPACITY, 0, 0},
    {"InsufficientReservedInstanceCapacity", "", 400, ERR_CAPACITY, 0, 0},
    {"InsufficientCapacityException", "", 400, ERR_CAPACITY, 0, 0},
    {"InsufficientAddressCapacity", "", 400, ERR_CAPACITY, 0, 0},
    {"InsufficientFreeAddressesInSubnet", "", 400, ERR_CAPACITY, 0, 0},
    {"InsufficientVolumeCapacity", "", 400, ERR_CAPACITY, 0, 0},
    {"ReservationCapacityExceeded", "", 400, ERR_CAPACITY, 0, 0},
    {"UnfulfillableCapacity", "", 400, ERR_CAPACITY, 0, 0},
    {"SpotMaxPriceTooLow", "", 400, ERR_CAPACITY, 0, 0},
    {"Unsupported", "not supported in your requested Availability Zone", 400, ERR_CAPACITY, 0, 0},
    {"Unsupported", "", 400, ERR_PERMANENT, 0, 0},
    {"ScalingActivityInProgress", "", 400, ERR_CONFLICT, 0, 0},
    {"ResourceInUse", "", 400, ERR_CONFLICT, 0, 0},
    {"AlreadyExists", "", 400, ERR_CONFLICT, 0, 0},
    {"ActiveInstanceRefreshNotFound", "", 400, ERR_CONFLICT, 0, 0},
    {"IncorrectInstanceState", "", 400, ERR_CONFLICT, 0, 0},
    {"IncorrectState", "", 400, ERR_CONFLICT, 0, 0},
    {"IncorrectModificationState", "", 400, ERR_CONFLICT, 0, 0},
    {"InvalidState", "", 400, ERR_CONFLICT, 0, 0},
    {"VolumeInUse", "", 400, ERR_CONFLICT, 0, 0},
    {"DependencyViolation", "", 400, ERR_CONFLICT, 0, 0},
    {"InvalidSnapshot.InUse", "", 400, ERR_CONFLICT, 0, 0},
    {"InvalidIPAddress.InUse", "", 400, ERR_CONFLICT, 0, 0},
    {"IncorrectSpotRequestState", "", 400, ERR_CONFLICT, 0, 0},
    {"ConcurrentSnapshotLimitExceeded", "", 400, ERR_CONFLICT, 0, 0},
    {"PendingSnapshotLimitExceeded", "", 400, ERR_CONFLICT, 0, 0},
    {"SnapshotLimitExceeded", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidVolume.NotFound", "", 400, ERR_CONFLICT, 0, 0},
    {"InvalidLaunchTemplateId.NotFound", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidLaunchTemplateName.NotFoundException", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidLaunchTemplateId.VersionNotFound", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidInstanceType", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidInstanceAttributeValue", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidParameterCombination", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidInstanceID.Malformed", "", 400, ERR_PERMANENT, 0, 0},
    {"TagLimitExceeded", "", 400, ERR_PERMANENT, 0, 0},
    {"TagPolicyViolation", "", 400, ERR_PERMANENT, 0, 0},
    {"ResourceCountExceeded", "", 400, ERR_PERMANENT, 0, 0},
    {"IdempotentInstanceTerminated", "", 400, ERR_CONFLICT, 0, 0},
    {"IdempotentParameterMismatch", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidInstanceID.NotFound", "", 400, ERR_CONFLICT, 0, 0},
    {"ResourceNotFoundException", "", 404, ERR_CONFLICT, 0, 0},
    {"NoSuchBucket", "", 404, ERR_PERMANENT, 0, 0},
    {"NoSuchKey", "", 404, ERR_CONFLICT, 0, 0},
    {"PreconditionFailed", "", 412, ERR_CONFLICT, 0, 0},
    {"PermanentRedirect", "", 301, ERR_PERMANENT, 0, 0},
    {"InvalidKeyPair.Duplicate", "", 400, ERR_CONFLICT, 0, 0},
    {"ValidationError", "AutoScalingGroup name not found - null", 400, ERR_CONFLICT, 0, 0},
    {"ValidationError", "Group web does not exist", 400, ERR_CONFLICT, 0, 0},
    {"ValidationError", "AutoScalingGroup 'web' is pending delete", 400, ERR_CONFLICT, 0, 0},
    {"ValidationError", "the group is being deleted", 400, ERR_CONFLICT, 0, 0},
    {"ValidationError", "New SetDesiredCapacity value 10 is above max value 5 for the AutoScalingGroup.", 400,
     ERR_CONFLICT, 0, 0},
    {"ValidationError", "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.", 400,
     ERR_CONFLICT, 0, 0},
    {"ValidationError", "1 validation error detected", 400, ERR_PERMANENT, 0, 0},
    {"ValidationException", "", 400, ERR_PERMANENT, 0, 0},
    {"InvalidNextToken", "", 400, ERR_RETRYABLE, 0, 0},
    {"InvalidPaginationToken", "", 400, ERR_RETRYABLE, 0, 0},
    {"ResourceContention", "", 500, ERR_RETRYABLE, 0, 0},
    {"ConcurrentModification", "", 400, ERR_RETRYABLE, 0, 0},
    {"ConcurrentTagAccess", "", 400, ERR_RETRYABLE, 0, 0},
    {"ServiceUnavailable", "", 503, ERR_RETRYABLE, 0, 0},
    {"DataUnavailableException", "", 400, ERR_RETRYABLE, 0, 0},
    {"ExpiredNextTokenException", "", 400, ERR_RETRYABLE, 0, 0},
    {"Unavailable", "", 503, ERR_RETRYABLE, 0, 0},
    {"InternalFailure", "", 500, ERR_RETRYABLE, EFFECT_UNKNOWN, 0},
    {"InternalError", "", 500, ERR_RETRYABLE, EFFECT_UNKNOWN, 0},
    {"InternalServiceFault", "", 500, ERR_RETRYABLE, EFFECT_UNKNOWN, 0},
    {"ServerInternal", "", 500, ERR_RETRYABLE, EFFECT_UNKNOWN, 0},
    {"RequestTimeout", "", 408, ERR_RETRYABLE, EFFECT_UNKNOWN, 0},
    {"InvalidParameterValue", "", 400, ERR_PERMANENT, 0, 0},
    {"MissingParameter", "", 400, ERR_PERMANENT, 0, 0},
    {"MalformedQueryString", "", 404, ERR_PERMANENT, 0, 0},
    {"UnknownParameter", "", 400, ERR_PERMANENT, 0, 0},
    {"UnsupportedOperation", "", 400, ERR_PERMANENT, 0, 0},
    {"VcpuLimitExceeded", "", 400, ERR_PERMANENT, 0, 0},
    {"InstanceLimitExceeded", "", 400, ERR_PERMANENT, 0, 0},
    {"LimitExceeded", "", 400, ERR_PERMANENT, 0, 0},
    {"MaxSpotInstanceCountExceeded", "", 400, ERR_PERMANENT, 0, 0},
    {"OperationNotPermitted", "", 400, ERR_PERMANENT, 0, 0},
    {"DryRunOperation", "", 412, ERR_PERMANENT, 0, 0},
    {"BrandNewCode", "", 400, ERR_PERMANENT, 0, 0},
    {"BrandNewCode", "", 500, ERR_RETRYABLE, EFFECT_UNKNOWN, 0},
    {"BrandNewCode", "", 429, ERR_THROTTLED, 0, 0},
};

Test(aws_errors, each_code_has_its_class_effect_and_hint) {
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct error_rule *rule =
            error_table_find(aws_error_rules, aws_error_rule_count, rows[i].code, rows[i].message, rows[i].status);
        cr_expect(rule->class == rows[i].class && rule->effect == rows[i].effect && rule->hint == rows[i].hint,
                  "%s \"%s\": class %s effect %d hint %d", rows[i].code, rows[i].message, error_class_name(rule->class),
                  (int)rule->effect, (int)rule->hint);
    }
}

/* A row that no case reaches is dead or untested: every rule must be the answer to some case. */
Test(aws_errors, no_rule_is_without_a_case) {
    for (size_t r = 0; r < aws_error_rule_count; r++) {
        bool is_hit = false;
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            is_hit |= error_table_find(aws_error_rules, aws_error_rule_count, rows[i].code, rows[i].message,
                                       rows[i].status) == &aws_error_rules[r];
        cr_expect(is_hit, "%s %s", aws_error_rules[r].code,
                  aws_error_rules[r].message != NULL ? aws_error_rules[r].message : "");
    }
}
