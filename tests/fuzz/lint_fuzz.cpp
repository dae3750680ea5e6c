// The linter's whole walk over any bytes: the first byte chooses what the file is called, a NUL in the text begins a second file, so that joins
// are walked too.
#include <array>
#include <string>

#include "model/outlook.hpp"
#include "rule/lint.hpp"
#include "source/recorded_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::array names{"nginx.conf", "gunicorn.conf.py", "app.service", "app.socket", "Dockerfile", "docker-compose.yml", "deploy.yaml", "Procfile", "supervisord.conf", "uwsgi.ini", "www.conf", "puma.rb", "unicorn.rb", "start.sh", "requirements.txt", "site",
                                  "uwsgi.xml", "uwsgi.json", "uwsgi.yaml", "limits.conf", "main.py", "database.yml", "alerts.yml"};
  if (size < 2 || size > 65'536) return 0;
  const std::string whole(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const auto cut = whole.find('\0');
  std::map<std::string, std::string> texts;
  texts["/c/" + std::string(names[bytes[0] % names.size()])] = whole.substr(0, cut);
  if (cut != std::string::npos) texts["/c/" + std::string(names[bytes[1] % names.size()])] = whole.substr(cut + 1);
  // An application is read because a command names it.
  if (texts.contains("/c/main.py")) texts.try_emplace("/c/Procfile", "web: gunicorn --preload -k gevent -w 4 main:app\nother: gunicorn -w 4 'main:app()'\n");
  std::vector<model::File> files;
  for (const auto& [path, text] : texts)
    if (model::File file = model::file_of(path, path.substr(3), text); file.document.dialect != parse::settings::Dialect::none) files.push_back(std::move(file));
  const source::TextHost host(std::move(texts));
  const auto locate = [](const std::string& path) { return path.starts_with("/c/") ? path : std::string(); };
  const model::Deployment deployment = model::deployment_of(std::move(files), host, locate, {});
  static const rule::Cards cards;
  (void)rule::lint(deployment, cards);
  const auto routes = model::routes_of(deployment, {});
  (void)model::outlook(routes, "");
  if (!routes.empty()) (void)model::timeline(routes.front(), {}, 1);
  return 0;
}
