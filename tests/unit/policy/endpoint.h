/* endpoint: endpoints for tests, in flow style, as parse_endpoint takes them.
 */
#ifndef TESTS_UNIT_POLICY_ENDPOINT_H
#define TESTS_UNIT_POLICY_ENDPOINT_H

#define REST "host: h.example.com, port: 8080, protocol: rest"
#define QUERY_HEAD "{" REST ", rules: [{allow: {method: GET, path: /x, query: "
#define QUERY(q) \
	"{" REST ", rules: [{allow: {method: GET, path: /x, query: " q "}}]}"

#endif
