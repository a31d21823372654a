/*
 * Kubeconfigs as people have them, and those that are refused; each refusal is looked up by its words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kube/config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "base/str.h"
#include "scratch.h"

#define PEM "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define PEM_B64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define HEAD                                                                                                           \
    "apiVersion: v1\nkind: Config\ncurrent-context: a\n"                                                               \
    "contexts: [{name: a, context: {cluster: c, user: u}}]\n"
#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443'}}]\n"

static struct arena arena;
static struct kube_config config;
static struct error err;

static void setup(void) {
    unsetenv("KUBECONFIG");
    scratch_open();
}

static void teardown(void) {
    arena_release(&arena);
    scratch_close();
}

TestSuite(kube_config, .init = setup, .fini = teardown);

static enum err_class parse(const char *text) {
    return kube_config_parse(text, strlen(text), "Secret a/b", NULL, &arena, &config, &err);
}

static enum err_class load(const char *text) {
    return kube_config_load(scratch_write("config", 0600, text), NULL, &arena, &config, &err);
}

static void refuses(const char *text, const char *words) {
    struct kube_config before = config;
    cr_assert_eq(load(text), ERR_PERMANENT, "taken: %s", text);
    cr_assert(strstr(err.message, words), "\"%s\" does not say \"%s\"", err.message, words);
    cr_assert_arr_eq(&config, &before, sizeof(config), "the result is written on success only");
}

Test(kube_config, a_cluster_with_a_client_certificate_is_read) {
    cr_assert_eq(parse(HEAD "clusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:6443/\n"
                            "    certificate-authority-data: " PEM_B64 "\n    tls-server-name: kube.example\n"
                            "users:\n- name: u\n  user:\n    client-certificate-data: " PEM_B64 "\n"
                            "    client-key-data: " PEM_B64 "\n"),
                 ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.server, "https://127.0.0.1:6443");
    cr_assert_str_eq(config.ca_pem, PEM);
    cr_assert_str_eq(config.cert_pem, PEM);
    cr_assert_str_eq(config.key_pem, PEM);
    cr_assert_str_eq(config.server_name, "kube.example");
    cr_assert_str_eq(config.namespace, "default");
    cr_assert_str_eq(config.context, "a");
    cr_assert_null(config.token);
    cr_assert_null(config.exec);
    cr_assert_null(config.unix_socket);
}

Test(kube_config, json_is_yaml_and_empty_values_are_absent) {
    cr_assert_eq(parse("{\"current-context\":\"a\",\"contexts\":[{\"name\":\"a\",\"context\":{\"cluster\":\"c\","
                       "\"user\":\"\",\"namespace\":\"shop\"}}],\"users\":null,"
                       "\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"https://h\","
                       "\"insecure-skip-tls-verify\":false,\"proxy-url\":\"\"}}]}"),
                 ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.namespace, "shop");
    cr_assert_null(config.ca_pem);
}

Test(kube_config, any_context_can_be_named) {
    const char *text = "current-context: a\ncontexts:\n- {name: a, context: {cluster: gone}}\n"
                       "- {name: b, context: {cluster: c, user: u}}\n" CLUSTER "users: [{name: u, user: {token: t}}]\n";
    cr_assert_eq(kube_config_parse(text, strlen(text), "x", "b", &arena, &config, &err), ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.token, "t");
    cr_assert_str_eq(config.context, "b");
    cr_assert_eq(kube_config_parse(text, strlen(text), "x", "z", &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "no context is named \"z\""), "%s", err.message);
    cr_assert_eq(kube_config_parse(text, strlen(text), "x", NULL, &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "no cluster is named \"gone\""), "%s", err.message);
}

Test(kube_config, files_are_relative_to_the_kubeconfig) {
    scratch_write("sub/ca.crt", 0600, PEM);
    scratch_write("sub/client.key", 0600, PEM);
    const char *path = scratch_write("sub/config", 0600,
                                     HEAD "clusters: [{name: c, cluster: {server: 'https://h', "
                                          "certificate-authority: ca.crt}}]\n"
                                          "users: [{name: u, user: {client-certificate: ./ca.crt, client-key: "
                                          "client.key, tokenFile: t/token}}]\n");
    cr_assert_eq(kube_config_load(path, NULL, &arena, &config, &err), ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.ca_pem, PEM);
    cr_assert_str_eq(config.key_pem, PEM);
    cr_assert_str_eq(config.token_file, scratch_path("sub/t/token"));
}

Test(kube_config, a_text_of_a_secret_can_name_neither_file_nor_plugin) {
    static const char *const users[][2] = {
        {"tokenFile: /etc/passwd", "tokenFile names a file"},
        {"client-certificate: /etc/passwd, client-key: k", "client-certificate names a file"},
        {"exec: {apiVersion: client.authentication.k8s.io/v1, command: id}", "may not be run"},
        {"exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/id}", "may not be run"},
    };
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        const char *text = arena_printf(&arena, HEAD CLUSTER "users: [{name: u, user: {%s}}]\n", users[i][0]);
        cr_assert_eq(parse(text), ERR_PERMANENT);
        cr_assert(strstr(err.message, users[i][1]), "%s", err.message);
        cr_assert(strstr(err.message, "Secret a/b:6"), "%s", err.message);
    }
}

Test(kube_config, the_data_wins_over_the_file) {
    cr_assert_eq(load(HEAD "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: missing, "
                           "certificate-authority-data: " PEM_B64 "}}]\nusers: [{name: u, user: {}}]\n"),
                 ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.ca_pem, PEM);
}

Test(kube_config, a_plugin_is_read_whole) {
    cr_assert_eq(load(HEAD CLUSTER "users:\n- name: u\n  user:\n    exec:\n"
                                   "      apiVersion: client.authentication.k8s.io/v1beta1\n      command: aws\n"
                                   "      args: [eks, get-token, \"\", 1]\n      env:\n"
                                   "      - {name: AWS_PROFILE, value: prod}\n      - {name: EMPTY}\n"
                                   "      provideClusterInfo: true\n      interactiveMode: IfAvailable\n"
                                   "      installHint: install it\n"),
                 ERR_NONE, "%s", err.message);
    const struct kube_exec *exec = config.exec;
    cr_assert_str_eq(exec->command, "aws", "a bare name is left to PATH");
    cr_assert_str_eq(exec->args[1], "get-token");
    cr_assert_str_eq(exec->args[2], "");
    cr_assert_str_eq(exec->args[3], "1");
    cr_assert_null(exec->args[4]);
    cr_assert_str_eq(exec->env[0], "AWS_PROFILE=prod");
    cr_assert_str_eq(exec->env[1], "EMPTY=");
    cr_assert_null(exec->env[2]);
    cr_assert(exec->provide_cluster_info);
    cr_assert_str_eq(exec->install_hint, "install it");
}

Test(kube_config, a_plugin_with_a_slash_is_relative_to_the_file_and_a_token_wins_over_it) {
#define EXEC "exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/get}"
    cr_assert_eq(load(HEAD CLUSTER "users: [{name: u, user: {" EXEC "}}]\n"), ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.exec->command, scratch_path("bin/get"));
    cr_assert_eq(load(HEAD CLUSTER "users: [{name: u, user: {token: t, " EXEC "}}]\n"), ERR_NONE, "%s", err.message);
    cr_assert_null(config.exec);
}

Test(kube_config, impersonation_is_read) {
    cr_assert_eq(load(HEAD CLUSTER "users: [{name: u, user: {token: t, as: bob, as-groups: [dev, 'system:masters']}}]"),
                 ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.impersonate_user, "bob");
    cr_assert_str_eq(config.impersonate_groups[1], "system:masters");
    cr_assert_null(config.impersonate_groups[2]);
}

Test(kube_config, what_would_weaken_or_mislead_is_refused) {
    static const char *const clusters[][2] = {
        {"server: 'https://h', insecure-skip-tls-verify: true", "insecure-skip-tls-verify: true is refused"},
        {"server: 'https://h', insecure-skip-tls-verify: yes", "must be true or false"},
        {"server: 'https://h', proxy-url: 'http://p:1'", "proxy-url is not supported"},
        {"server: 'http://10.0.0.1:80'", "plain http is taken for loopback only"},
        {"server: 'http://127.0.0.1.example.com'", "plain http is taken for loopback only"},
        {"server: 'http://localhost.example.com'", "plain http is taken for loopback only"},
        {"server: 'https://u:p@h'", "without user"},
        {"server: 10.0.0.1", "must begin with https://"},
        {"server: [x]", "server must be a string"},
        {"tls-server-name: x", "no server"},
        {"server: 'https://h', certificate-authority-data: '!!'", "is not base64"},
        {"server: 'https://h', certificate-authority-data: QUJD", "is not PEM"},
        {"server: 'https://h', certificate-authority: missing.crt", "No such file"},
    };
    for (size_t i = 0; i < ARRAY_LEN(clusters); i++)
        refuses(arena_printf(&arena, HEAD "users: [{name: u, user: {}}]\nclusters: [{name: c, cluster: {%s}}]\n",
                             clusters[i][0]),
                clusters[i][1]);
    static const char *const users[][2] = {
        {"username: x, password: y", "username and password are not supported"},
        {"auth-provider: {name: gcp}", "auth-provider was removed"},
        {"token: \"a\\nX-Evil: b\"", "no header can carry"},
        {"client-key-data: " PEM_B64, "belong together"},
        {"as-groups: [x]", "as-groups needs as"},
        {"as: x, as-uid: y", "as-uid"},
        {"exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}", "v1 or v1beta1"},
        {"exec: {apiVersion: client.authentication.k8s.io/v1}", "command is missing"},
        {"exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}", "terminal"},
        {"exec: {apiVersion: client.authentication.k8s.io/v1, command: x, args: y}", "args must be a list"},
        {"exec: {apiVersion: client.authentication.k8s.io/v1, command: x, env: [{value: y}]}", "needs a name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        refuses(arena_printf(&arena, HEAD CLUSTER "users: [{name: u, user: {%s}}]\n", users[i][0]), users[i][1]);
}

Test(kube_config, what_is_no_kubeconfig_is_refused_with_its_line) {
    refuses("", "no current-context");
    refuses("current-context: a\n", "no context is named \"a\"");
    refuses("- a\n", "an object with");
    refuses("just text\n", "an object with");
    refuses("a: [\n", "line ");
    refuses("kind: Pod\napiVersion: v1\n", "not a Config of v1");
    refuses("current-context: a\ncontexts: []\ncurrent-context: b\n", ":3: key \"current-context\" stands twice");
    refuses("current-context: a\n---\ncurrent-context: b\n", "more than one document");
    refuses("a: &x [1]\nb: *x\n", "aliases are not taken");
    refuses("a: &x [*x]\n", "aliases are not taken");
    refuses("&x a: [*x]\n", "aliases are not taken");
    refuses("&root {a: *root}\n", "aliases are not taken");
    refuses("current-context: \"a\\0b\"\n", "NUL");
    refuses("[a]: b\n", "a key must be a scalar");
    refuses("current-context: \xff\n", "line ");
    refuses(HEAD CLUSTER, "no user is named \"u\"");
    char *big = arena_alloc(&arena, KUBE_CONFIG_SIZE_MAX + 2);
    memset(big, '#', KUBE_CONFIG_SIZE_MAX + 1);
    refuses(big, "larger than 1 MiB");
    cr_assert_eq(parse(big), ERR_PERMANENT);
    cr_assert(strstr(err.message, "larger than 1 MiB"), "%s", err.message);
}

Test(kube_config, a_megabyte_of_keys_or_of_depth_ends_soon) {
    struct buf text = {0};
    for (int i = 0; text.size < KUBE_CONFIG_SIZE_MAX - 64; i++)
        buf_printf(&text, "k%d:\n", i);
    cr_assert_eq(kube_config_parse(text.data, text.size, "x", NULL, &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "no current-context"), "%s", err.message);
    buf_clear(&text);
    while (text.size < KUBE_CONFIG_SIZE_MAX - 64)
        buf_putc(&text, '[');
    cr_assert_eq(kube_config_parse(text.data, text.size, "x", NULL, &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "nested too deeply"), "%s", err.message);
    buf_release(&text);
}

Test(kube_config, plain_http_is_taken_on_loopback) {
    static const char *const servers[] = {"http://127.0.0.1:8001", "http://localhost:8001", "http://[::1]:8001"};
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        cr_assert_eq(parse(arena_printf(&arena,
                                        "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n"
                                        "clusters: [{name: c, cluster: {server: '%s'}}]\n",
                                        servers[i])),
                     ERR_NONE, "%s", err.message);
        cr_assert_str_eq(config.server, servers[i]);
    }
}

Test(kube_config, several_files_are_merged_and_the_first_wins) {
    const char *one =
        scratch_write("one", 0600, "users: [{name: u, user: {token: first}}]\ncontexts: []\ncurrent-context: ''\n");
    const char *two =
        scratch_write("sub/two", 0600,
                      HEAD "users: [{name: u, user: {token: second}}]\n"
                           "clusters: [{name: c, cluster: {server: 'https://h', certificate-authority: ca}}]\n");
    const char *three =
        scratch_write("three", 0600, "current-context: other\n" CLUSTER "contexts: [{name: other, context: {}}]\n");
    scratch_write("sub/ca", 0600, PEM);
    setenv("KUBECONFIG", arena_printf(&arena, "%s:%s::%s:%s", scratch_path("none"), one, two, three), 1);
    cr_assert_eq(kube_config_load(NULL, NULL, &arena, &config, &err), ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.context, "a", "the first that sets one");
    cr_assert_str_eq(config.token, "first");
    cr_assert_str_eq(config.server, "https://h");
    cr_assert_str_eq(config.ca_pem, PEM, "relative to its own file");

    cr_assert_eq(kube_config_load(NULL, "other", &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "context \"other\" names no cluster"), "%s", err.message);
    setenv("KUBECONFIG", scratch_path("none"), 1);
    cr_assert_eq(kube_config_load(NULL, NULL, &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "no file of KUBECONFIG="), "%s", err.message);
}

Test(kube_config, without_a_variable_the_home_is_read_and_a_named_file_must_exist) {
    setenv("HOME", scratch_path("home"), 1);
    cr_assert_eq(kube_config_load(NULL, NULL, &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "home/.kube/config: No such file"), "%s", err.message);
    scratch_write("home/.kube/config", 0600, HEAD CLUSTER "users: [{name: u, user: {token: t}}]\n");
    cr_assert_eq(kube_config_load(NULL, NULL, &arena, &config, &err), ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.token, "t");
    cr_assert_eq(kube_config_load(scratch_path("none"), NULL, &arena, &config, &err), ERR_PERMANENT);
    cr_assert_eq(kube_config_load(scratch_path("home"), NULL, &arena, &config, &err), ERR_PERMANENT, "a folder");
}

Test(kube_config, in_a_cluster_the_account_of_the_pod_is_used) {
#define ACCOUNT "var/run/secrets/kubernetes.io/serviceaccount/"
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    scratch_write(ACCOUNT "token", 0600, "eyJ.a-b_c\n");
    cr_assert_eq(kube_config_in_cluster(scratch_path(""), &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "ca.crt"), "%s", err.message);
    scratch_write(ACCOUNT "ca.crt", 0600, PEM);
    scratch_write(ACCOUNT "namespace", 0600, "trimtab-system\n");
    cr_assert_eq(kube_config_in_cluster(scratch_path(""), &arena, &config, &err), ERR_NONE, "%s", err.message);
    cr_assert_str_eq(config.server, "https://[fd00::1]:443");
    cr_assert_str_eq(config.namespace, "trimtab-system");
    cr_assert(str_has_suffix(config.token_file, "/serviceaccount/token"));
    cr_assert(str_has_prefix(config.ca_pem, "-----BEGIN"));
    cr_assert_null(config.token, "it rotates");
    unsetenv("KUBERNETES_SERVICE_HOST");
    cr_assert_eq(kube_config_in_cluster(scratch_path(""), &arena, &config, &err), ERR_PERMANENT);
    cr_assert(strstr(err.message, "not in a cluster"), "%s", err.message);
}
