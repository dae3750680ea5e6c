// Access logs against the rows of the wait: which share of the requests falls into each interval, by what the server took ($upstream_response_time)
// where the row says it, else by $request_time.
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/text.hpp"
#include "look.hpp"
#include "parse/access_row.hpp"
#include "parse/nginx/route.hpp"

namespace timeouts {

namespace {

constexpr std::size_t most_rows = 20'000'000, longest_line = 1 << 16;

// Which group a row's path belongs to, by nginx's own rules; nullopt where the log cannot say: several server blocks, and no host in the row.
class Places {
 public:
  explicit Places(const Looked& looked) {
    const parse::nginx::Tree* tree = nullptr;
    for (std::size_t g = 0; g < looked.groups.size(); ++g)
      for (const std::size_t r : looked.groups[g].routes) {
        const model::Route& route = looked.routes[r];
        if (route.nginx == SIZE_MAX) continue;
        const model::Nginx& nginx = *looked.deployment.nginx[route.nginx];
        groups_[nginx.passes[route.pass].node] = g;
        one_ = one_ && (!tree || tree == &nginx.tree);
        tree = &nginx.tree;
        for (const model::Block& block : nginx.blocks) if (block.context == "server" && block.node) servers_.insert(block.node);
      }
    one_ = one_ && tree && servers_.size() == 1;
    tree_ = tree;
    if (one_)  // the port that the block listens at: 80 where it says nothing
      for (const auto* node : servers_)
        if (const auto* listen = parse::nginx::child(*node, "listen")) {
          std::string text = listen->directive.argument(0);
          text.erase(0, text.rfind(':') == std::string::npos ? 0 : text.rfind(':') + 1);
          if (const auto port = base::read_number(text); port && *port > 0 && *port < 65536) request_.port = static_cast<std::uint16_t>(*port);
        }
    request_.host = "localhost";
    request_.address = "127.0.0.1";
  }

  bool known() const { return one_; }
  std::optional<std::size_t> of(const std::string& uri) {
    std::string path = uri.substr(0, uri.find('?'));
    if (const auto found = cache_.find(path); found != cache_.end()) return found->second;
    request_.path = path;
    const auto route = parse::nginx::route_of(*tree_, request_);
    std::optional<std::size_t> group;
    if (const auto found = groups_.find(route.pass); route.pass && found != groups_.end()) group = found->second;
    if (cache_.size() < 100'000) cache_.emplace(std::move(path), group);
    return group;
  }

 private:
  std::map<const parse::nginx::Node*, std::size_t> groups_;
  std::set<const parse::nginx::Node*> servers_;
  std::map<std::string, std::optional<std::size_t>> cache_;
  const parse::nginx::Tree* tree_ = nullptr;
  parse::nginx::Request request_;
  bool one_ = true;
};

struct Counter {
  parse::AccessReader reader;
  Places& places;
  std::vector<std::vector<float>> by_group;  // 4 bytes a row: P50 and P99 exact
  std::vector<float> seconds;
  report::Traffic traffic;

  void line(std::string_view text) {
    if (text.empty() || seconds.size() >= most_rows) return;
    const auto row = reader.read(text);
    if (!row) return;
    const double took = row->upstream >= 0 ? row->upstream : row->seconds;
    if (took < 0) { ++traffic.without_time; return; }
    ++traffic.rows;
    seconds.push_back(static_cast<float>(took));
    if (places.known())
      if (const auto group = places.of(row->uri)) by_group[*group].push_back(static_cast<float>(took));
  }
};

}  // namespace

std::vector<std::string> logs_among(const source::Host& host, std::vector<std::string>& paths) {
  std::vector<std::string> logs;
  std::erase_if(paths, [&](const std::string& path) {
    const auto about = host.stat(path);
    if (!about || about->kind != source::EntryKind::file) return false;
    auto stream = host.open(path);
    const auto read = stream ? source::slurp(**stream, 1 << 14) : base::Result<std::string>();
    const std::string head = read ? *read : std::string();
    parse::AccessReader reader;
    std::size_t rows = 0, lines = 0;
    for (const std::string_view line : base::split(head, '\n')) {
      if (line.empty()) continue;
      ++lines;
      rows += reader.read(line).has_value();
    }
    if (rows == 0 || rows * 2 < lines) return false;
    logs.push_back(path);
    return true;
  });
  return logs;
}

report::Traffic weigh(const source::Host& host, const std::vector<std::string>& logs, Looked& looked) {
  if (logs.empty()) return {};
  Places places(looked);
  Counter counter{{}, places, std::vector<std::vector<float>>(looked.groups.size()), {}, {}};
  for (const std::string& path : logs) {
    auto stream = host.open(path);
    if (!stream) { looked.gaps.push_back({path, stream.error().answer, "give a readable access log", 1, {}}); continue; }
    counter.traffic.sources.push_back(path);
    std::string rest, piece(1 << 16, '\0');
    for (;;) {
      const auto count = (*stream)->read(piece.data(), piece.size());
      if (!count) { looked.gaps.push_back({path, count.error().answer, "the rest of it was not read", 1, {}}); break; }
      if (*count == 0) break;
      rest.append(piece.data(), *count);
      std::size_t from = 0;
      for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', from)) {
        counter.line(std::string_view(rest).substr(from, end - from));
        from = end + 1;
      }
      rest.erase(0, from);
      if (rest.size() > longest_line) rest.clear();
    }
    counter.line(rest);
  }
  if (counter.traffic.rows == 0) {
    if (!logs.empty()) looked.gaps.push_back({"traffic", counter.traffic.without_time > 0 ? "the rows say no time" : "no row of an access log was found", "log $request_time or urt=$upstream_response_time (log_format)", 1, {}});
    return counter.traffic;
  }
  std::sort(counter.seconds.begin(), counter.seconds.end());
  const auto at = [&](double share) { return static_cast<double>(counter.seconds[std::min(counter.seconds.size() - 1, static_cast<std::size_t>(static_cast<double>(counter.seconds.size()) * share))]); };
  counter.traffic.p50 = at(0.5);
  counter.traffic.p99 = at(0.99);
  counter.traffic.slowest = static_cast<double>(counter.seconds.back());
  if (!places.known() && looked.groups.size() > 1) looked.gaps.push_back({"traffic of each location", "the log does not say which of several server blocks a row is of", "the shares are those of all requests together", 1, {}});
  // What was cut at a limit is logged with about the limit: it stands at the front of the interval that the limit begins.
  for (std::size_t g = 0; g < looked.groups.size(); ++g) {
    std::vector<float>& own = places.known() ? counter.by_group[g] : counter.seconds;
    std::sort(own.begin(), own.end());
    const auto below = [&](double limit) { return limit == model::no_limit ? own.size() : static_cast<std::size_t>(std::lower_bound(own.begin(), own.end(), static_cast<float>(limit)) - own.begin()); };
    for (model::Row& row : looked.groups[g].rows)
      if (row.phase == "wait" && !own.empty()) row.share = static_cast<double>(below(row.to) - below(row.from)) / static_cast<double>(own.size());
  }
  return counter.traffic;
}

}  // namespace timeouts
