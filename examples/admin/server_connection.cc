#include "server_connection.h"

#include <fmt/format.h>

#include "matrixcore/net/curl_client.h"

namespace matrixcore::admin {
namespace {

// Where the configured server is to be found from this machine: its first
// listener without TLS, or else the first.
std::string UrlOf(const server::Config& config) {
  const server::ListenerConfig* chosen = &config.listeners.front();
  for (const server::ListenerConfig& listener : config.listeners) {
    if (!listener.tls) {
      chosen = &listener;
      break;
    }
  }
  std::string host = chosen->address;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return fmt::format("{}://{}:{}", chosen->tls ? "https" : "http", host,
                     chosen->port);
}

}  // namespace

void AddConnectionOptions(CLI::App& command, ConnectionOptions& options) {
  AddServerOptions(command, options.server);
  command
      .add_option("--server", options.url,
                  "The server's URL, instead of the configured listener")
      ->type_name("URL");
  command
      .add_option("--ca-file", options.ca_file,
                  "A PEM file of authorities to trust besides the system's")
      ->type_name("FILE");
  command.add_flag("--insecure", options.insecure, "Accept any certificate");
}

Result<std::unique_ptr<ServerConnection>> ServerConnection::Open(
    const ConnectionOptions& options) {
  std::string url = options.url;
  if (url.empty()) {
    MC_ASSIGN_OR_RETURN(const server::Config config,
                        ReadConfig(options.server));
    url = UrlOf(config);
  }
  while (url.ends_with('/')) url.pop_back();
  CurlClientOptions client_options;
  // The operator chose the address, wherever it is.
  client_options.filter.allowed = {*IpRange::Parse("0.0.0.0/0"),
                                   *IpRange::Parse("::/0")};
  client_options.insecure_skip_tls_verify = options.insecure;
  if (!options.ca_file.empty()) {
    client_options.custom_ca_files = {options.ca_file};
  }
  client_options.user_agent = "matrixcore-admin";
  std::unique_ptr<ServerConnection> connection(new ServerConnection);
  MC_ASSIGN_OR_RETURN(connection->client_,
                      NewCurlClient(client_options, *connection->clock_,
                                    *connection->log_, *connection->metrics_));
  connection->api_ = std::make_unique<AdminApi>(*connection->client_, url);
  return connection;
}

}  // namespace matrixcore::admin
