// What a manifest asks of the load balancer in front: AWS's idle timeout by annotation, Google's timeoutSec of a BackendConfig (a limit for the whole
// answer). Without such a line nothing is known of a balancer, and nothing is assumed.
#include "base/text.hpp"
#include "model/deployment.hpp"

namespace model {

namespace {

using parse::settings::Yaml;

void take(Deployment& all, std::uint32_t file, const parse::settings::Place& at, const std::optional<double>& seconds, double Balancer::*limit) {
  if (!seconds || all.balancer.*limit != std::numeric_limits<double>::infinity()) return;
  all.balancer.*limit = *seconds;
  all.balancer.at = {file, at.line, at.column, at.at, at.end};
}

void read_object(Deployment& all, std::uint32_t file, const Yaml& object) {
  const Yaml* kind = object.find("kind");
  if (!kind) return;
  if (const Yaml* metadata = object.find("metadata"))
    if (const Yaml* annotations = metadata->find("annotations"))
      for (const auto& member : annotations->members) {
        if (member.key == "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout") take(all, file, member.key_at, span_seconds(member.value.text), &Balancer::idle);
        if (member.key != "alb.ingress.kubernetes.io/load-balancer-attributes") continue;
        for (std::string_view part : base::split(member.value.text, ',')) {
          part = base::trim(part);
          constexpr std::string_view name = "idle_timeout.timeout_seconds=";
          if (base::starts_with(part, name)) take(all, file, member.key_at, span_seconds(part.substr(name.size())), &Balancer::idle);
        }
      }
  if (kind->text == "BackendConfig")
    if (const Yaml* timeout = object.path("spec.timeoutSec")) take(all, file, timeout->at, span_seconds(timeout->text), &Balancer::request);
}

}  // namespace

void add_balancer(Deployment& all) {
  for (std::uint32_t i = 0; i < all.files.size(); ++i) {
    const File& file = all.files[i];
    if (file.document.dialect != parse::settings::Dialect::kubernetes || !file.template_language.empty()) continue;
    for (const Yaml& document : file.yaml.documents) {
      read_object(all, i, document);
      if (const Yaml* items = document.find("items")) for (const Yaml& item : items->items) read_object(all, i, item);
    }
  }
}

}  // namespace model
