// Over 300 lines: rows of clients, queue and processes share the axis, the lanes and the charts that they are drawn with.
// Each row is a line of text and a drawing of its own below it; places along the axis are percents and heights are pixels, so that a phone and a
// sheet of paper get texts of the same size. What colour says is also said by shape: good is thin, bad is thick, late is only an outline.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.hpp"
#include "report/escape.hpp"
#include "reproduce/postmortem.hpp"
#include "reproduce/story.hpp"

namespace reproduce {

namespace {

using report::html;

constexpr int lane_high = 12, label_high = 15, chart_high = 38, strip_high = 14;
constexpr std::size_t most_lanes = 8, most_labels = 4, most_points = 400, most_marks = 300;
constexpr double char_wide = 2.0;     // percent of the narrowest drawing, 330 px, that a letter takes
constexpr double least_wide = 0.25;   // percent: a bar is never thinner, and bars nearer than that are one

struct Bar { double from = 0, to = 0; Sort sort = Sort::good; std::string text; std::size_t count = 1; };
struct Mark { double at = 0; std::string text; bool death = false; };
struct Point { double at = 0, value = 0; };

struct Life {
  std::string role;
  int pid = 0, host_pid = 0;
  double born = 0;
  std::optional<double> died;
  std::string status;
  std::vector<Bar> bars;
  std::vector<Mark> marks;
  std::vector<Point> memory;
  std::vector<double> beats;
  std::size_t requests = 0;
};

struct Load { std::string name; std::vector<Bar> bars; std::map<std::string, std::size_t> ends; };

struct Drawn {
  double begin = 0, end = 1;
  std::vector<Load> loads;
  std::vector<Life> lives;        // by birth
  std::vector<Point> queue;
  std::vector<Mark> steps;
  double most_memory = 0;
};

int machine_pid(const Event& event) { return event.host_pid != 0 ? event.host_pid : event.pid; }

// A request from its start to its end, and which worker had it: the log that tells who took it is read up to some ten milliseconds later.
struct Request { std::string load, text, got; double from = 0, to = 0; bool taken = false; };
constexpr double log_lag = 0.3;

std::vector<Request> requests_of(const Run& run) {
  std::vector<Request> all;
  std::map<std::pair<std::string, double>, std::string> texts;
  for (const Event& event : run.events) {
    if (event.what == "asked" || event.what == "connected") texts[{event.who, event.number}] = event.text;
    if (event.what == "answered") all.push_back({event.who, texts[{event.who, event.number}], event.text, event.from.value_or(event.at), event.at, false});
  }
  std::ranges::stable_sort(all, {}, &Request::from);
  return all;
}

// A log may leave the query out.
bool same_request(std::string_view asked, std::string_view taken) { return asked == taken || (taken.find('?') == std::string_view::npos && asked.substr(0, asked.find('?')) == taken); }

Request* taken_one(std::vector<Request>& requests, const Event& event) {
  Request* again = nullptr;
  for (Request& one : requests) {
    if (one.from > event.at) break;
    if (!same_request(one.text, event.text) || one.to + log_lag < event.at) continue;
    if (!one.taken) return &one;
    again = &one;   // a proxy's second try
  }
  return again;
}

Life& life_of(std::vector<Life>& lives, const Event& event, std::string_view role) {
  for (auto one = lives.rbegin(); one != lives.rend(); ++one)
    if (one->host_pid == machine_pid(event) && (!one->died || event.at <= *one->died + log_lag)) return *one;
  Life life;
  life.role = role;
  life.pid = event.pid;
  life.host_pid = machine_pid(event);
  life.born = event.from.value_or(event.at);
  return lives.emplace_back(std::move(life));
}

Drawn drawn_of(const Run& run) {
  Drawn d;
  std::vector<Request> requests = requests_of(run);
  d.end = 0.1;
  for (const Event& event : run.events) {
    d.begin = std::min(d.begin, event.at);
    if (event.what != "triage" && event.what != "end" && !(event.what == "answered" && event.text == "unanswered")) d.end = std::max(d.end, event.at);
  }
  d.end += (d.end - d.begin) * 0.01;
  for (const Event& event : run.events) {
    if (event.what.ends_with("-born") || (event.what == "started" && event.pid != 0)) {
      const double noticed = event.at;   // a heartbeat may be older than the moment in which its worker was noticed
      const auto early = std::ranges::find_if(d.lives, [&](const Life& one) { return one.host_pid == machine_pid(event) && !one.died && noticed - one.born < log_lag; });
      Life& life = early != d.lives.end() ? *early : d.lives.emplace_back();
      life.role = event.what == "started" ? event.who == "server" ? "master" : event.who : event.who;
      life.pid = event.pid;
      life.host_pid = machine_pid(event);
      life.born = event.at;
    } else if (event.what.ends_with("-dead")) {
      Life& life = life_of(d.lives, event, event.who);
      life.died = event.at;
      life.status = event.text;
      life.marks.push_back({event.at, event.text, true});
    } else if (event.what == "signalled") {
      if (auto& marks = life_of(d.lives, event, event.who).marks; marks.size() < most_marks) marks.push_back({event.at, event.text, false});
    } else if (event.what == "memory") {
      life_of(d.lives, event, event.who).memory.push_back({event.at, event.number});
      d.most_memory = std::max(d.most_memory, event.number);
    } else if (event.what == "heartbeat") {
      life_of(d.lives, event, "worker").beats.push_back(event.at);
    } else if (event.what == "taken") {
      Life& life = life_of(d.lives, event, "worker");
      ++life.requests;
      Request* request = taken_one(requests, event);
      if (request != nullptr) request->taken = true;
      life.bars.push_back(request != nullptr ? Bar{std::min(event.at, request->to), request->to, sort_of(request->got), event.text + " for " + request->load + ": " + request->got, 1} : Bar{event.at, event.at, Sort::open, event.text, 1});
    } else if (event.what == "queue") {
      d.queue.push_back({event.at, event.number});
    } else if (event.what == "step" && d.steps.size() < most_marks) {
      d.steps.push_back({event.at, event.text, false});
    }
  }
  for (Life& life : d.lives)   // a bar cannot outlive its worker
    for (Bar& bar : life.bars)
      if (life.died) bar.to = std::max(bar.from, std::min(bar.to, *life.died));
  for (const Request& one : requests) {
    auto found = std::ranges::find(d.loads, one.load, &Load::name);
    if (found == d.loads.end()) found = d.loads.insert(d.loads.end(), {one.load, {}, {}});
    ++found->ends[one.got];
    found->bars.push_back({one.from, std::min(one.to, d.end), sort_of(one.got), one.text + ": " + one.got, 1});
  }
  return d;
}

double place(const Drawn& d, double at) { return std::clamp((at - d.begin) / (d.end - d.begin) * 100, 0.0, 100.0); }

std::string_view class_of(Sort sort) { return sort == Sort::good ? "good" : sort == Sort::bad ? "bad" : sort == Sort::late ? "late" : "open"; }

// A step of the axis: 1, 2 or 5 times a power of ten, some eight of them.
double step_of(const Drawn& d) {
  const double about = (d.end - d.begin) / 8, power = std::pow(10, std::floor(std::log10(about)));
  for (const double times : {1.0, 2.0, 5.0})
    if (times * power >= about) return times * power;
  return 10 * power;
}

void grid(std::string& out, const Drawn& d) {
  const double step = step_of(d);
  for (double at = std::ceil(d.begin / step) * step; at <= d.end; at += step)
    out += fmt::format("<line class=\"{}\" x1=\"{:.2f}%\" x2=\"{:.2f}%\" y1=\"0\" y2=\"100%\"/>", std::abs(at) < step / 2 ? "zero" : "grid", place(d, at), place(d, at));
}

void axis(std::string& out, const Drawn& d) {
  const double step = step_of(d);
  out += "<svg class=\"axis\" height=\"20\" aria-hidden=\"true\">";
  for (double at = std::ceil(d.begin / step) * step; at <= d.end; at += step) {
    const double x = place(d, at);
    out += fmt::format("<line class=\"tick\" x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y1=\"0\" y2=\"5\"/><text x=\"{0:.2f}%\" y=\"17\" text-anchor=\"{1}\">{2:g}{3}</text>", x, x < 4 ? "start" : x > 94 ? "end" : "middle", std::abs(at) < step / 2 ? 0.0 : at, std::abs(at) < step / 2 ? " s" : "");
  }
  out += "</svg>\n";
}

// Bars that overlap are put below each other; those of one kind that follow at once are one.
int bars(std::string& out, const Drawn& d, std::vector<Bar> all, int top) {
  std::ranges::stable_sort(all, {}, &Bar::from);
  struct Lane { double end = -1; std::vector<Bar> bars; };
  std::vector<Lane> lanes;
  for (Bar& bar : all) {
    const double from = place(d, bar.from), to = std::max(place(d, bar.to), from + least_wide);
    Lane* into = nullptr;
    for (Lane& lane : lanes)
      if (into == nullptr && lane.end <= from + 0.01) into = &lane;
    if (into == nullptr && lanes.size() < most_lanes) into = &lanes.emplace_back();
    if (into == nullptr) into = &*std::ranges::min_element(lanes, {}, &Lane::end);
    into->end = std::max(into->end, to);
    if (!into->bars.empty() && into->bars.back().sort == bar.sort && from - std::max(place(d, into->bars.back().to), place(d, into->bars.back().from) + least_wide) < least_wide && to - from < 4 * least_wide) {
      into->bars.back().to = std::max(into->bars.back().to, bar.to);
      into->bars.back().count += bar.count;
    } else into->bars.push_back(std::move(bar));
  }
  for (const Lane& lane : lanes) {
    for (const Bar& bar : lane.bars) {
      const double x = std::min(place(d, bar.from), 100 - least_wide), wide = std::max(place(d, bar.to) - x, least_wide);
      const int high = bar.sort == Sort::good || bar.sort == Sort::open ? lane_high - 6 : lane_high - 3;
      const std::string text = (bar.count > 1 ? std::to_string(bar.count) + " requests, the first " : "") + bar.text + ", " + at_text(bar.from) + " to " + at_text(bar.to);
      out += fmt::format("<rect class=\"{}\" x=\"{:.2f}%\" y=\"{}\" width=\"{:.2f}%\" height=\"{}\"><title>{}</title></rect>", class_of(bar.sort), x, top + (lane_high - high) / 2, wide, high, html(text));
    }
    top += lane_high;
  }
  return top;
}

// Texts at moments, in lanes where they do not meet; returns where the drawing below them begins.
int labels(std::string& out, const Drawn& d, const std::vector<Mark>& marks) {
  std::vector<double> ends;
  std::string texts;
  for (const Mark& mark : marks) {
    const double x = place(d, mark.at);
    const std::string text = base::printable(mark.text, 24) + " " + at_text(mark.at);
    const double wide = static_cast<double>(text.size()) * char_wide;
    const bool left = x + wide > 100 && x > 50;
    const double from = left ? x - wide : x;
    std::size_t lane = 0;
    while (lane < ends.size() && ends[lane] > from) ++lane;
    if (lane >= most_labels) {
      texts += fmt::format("<line class=\"{0}\" x1=\"{1:.2f}%\" x2=\"{1:.2f}%\" y1=\"0\" y2=\"100%\"><title>{2}</title></line>", mark.death ? "death" : "signal", x, html(mark.text));
      continue;
    }
    if (lane == ends.size()) ends.push_back(0);
    ends[lane] = from + wide + 2;
    const int y = static_cast<int>(lane) * label_high;
    texts += fmt::format("<line class=\"{0}\" x1=\"{1:.2f}%\" x2=\"{1:.2f}%\" y1=\"{2}\" y2=\"100%\"/><text class=\"{0}\" x=\"{1:.2f}%\" y=\"{3}\" dx=\"{4}\" text-anchor=\"{5}\">{6}</text>", mark.death ? "death" : "signal", x, y, y + 11, left ? -4 : 4,
                         left ? "end" : "start", html(text));
  }
  out += texts;
  return static_cast<int>(ends.size()) * label_high;
}

void chart(std::string& out, const Drawn& d, const std::vector<Point>& points, double most, int top, bool steps) {
  const std::size_t every = points.size() / most_points + 1;
  std::string line, area;
  double last_y = 100, first_x = -1, last_x = 0;
  for (std::size_t i = 0; i < points.size(); i += every) {
    double value = points[i].value;   // of those that share a point, the largest
    for (std::size_t j = i; j < std::min(points.size(), i + every); ++j) value = std::max(value, points[j].value);
    const double x = place(d, points[i].at) * 10, y = 96 - (most > 0 ? value / most * 92 : 0);
    if (first_x < 0) first_x = x;
    else if (steps) line += fmt::format("{:.1f},{:.1f} ", x, last_y);
    line += fmt::format("{:.1f},{:.1f} ", x, y);
    last_y = y;
    last_x = x;
  }
  area = fmt::format("{:.1f},100 {}{:.1f},100", first_x, line, last_x);
  out += fmt::format("<svg x=\"0\" y=\"{}\" width=\"100%\" height=\"{}\" viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\"><polygon class=\"area\" points=\"{}\"/><polyline class=\"curve\" points=\"{}\"/></svg>", top, chart_high, area, line);
}

void row(std::string& out, std::string_view kind, const std::string& name, const std::string& about, const std::string& drawing, int high, const Drawn& d) {
  std::string lines;
  grid(lines, d);
  out += fmt::format("<div class=\"row {}\"><div class=\"who\"><b>{}</b> {}</div><svg height=\"{}\" role=\"img\" aria-label=\"{}\">{}{}</svg></div>\n", kind, html(base::printable(name, 80)), html(base::printable(about, 300)), std::max(high, 8), html(base::printable(name + ", " + about, 300)), lines, drawing);
}

void load_row(std::string& out, const Drawn& d, const Load& load) {
  std::string about = base::counted(load.bars.size(), "request"), drawing;
  for (const auto& [got, count] : load.ends) about += (count == load.bars.size() ? ": " : ", ") + (count == load.bars.size() ? "" : std::to_string(count) + " of them ") + got;
  const int high = bars(drawing, d, load.bars, 2);
  row(out, "load", "clients " + load.name, about, drawing, high + 2, d);
}

void queue_row(std::string& out, const Drawn& d) {
  if (d.queue.empty()) return;
  double most = 0;
  for (const Point& point : d.queue) most = std::max(most, point.value);
  std::string drawing;
  if (most > 0) chart(drawing, d, d.queue, most, 0, true);
  row(out, "queue", "waiting to be accepted", most > 0 ? "at most " + base::counted(whole(most), "connection") : "nobody, whenever looked", drawing, most > 0 ? chart_high : 8, d);
}

int heartbeat(std::string& out, const Drawn& d, const Life& life, int top, const std::vector<Silence>& silent) {
  double last = -1;
  for (const Silence& one : silent) {
    if (one.pid != life.pid || one.since < life.born - log_lag || (life.died && one.since > *life.died)) continue;
    const double x = place(d, one.since), wide = place(d, one.since + one.seconds) - x;
    out += fmt::format("<rect class=\"silent\" x=\"{:.2f}%\" y=\"{}\" width=\"{:.2f}%\" height=\"10\"><title>no heartbeat for {}</title></rect>", x, top + 2, wide, at_text(one.seconds));
    const std::string text = "no heartbeat for " + at_text(one.seconds);
    if (wide > static_cast<double>(text.size()) * char_wide) out += fmt::format("<text class=\"silent\" x=\"{:.2f}%\" y=\"{}\" text-anchor=\"middle\">{}</text>", x + wide / 2, top + 11, text);
  }
  for (const double at : life.beats) {
    const double x = place(d, at);
    if (x - last < least_wide) continue;
    out += fmt::format("<line class=\"beat\" x1=\"{0:.2f}%\" x2=\"{0:.2f}%\" y1=\"{1}\" y2=\"{2}\"/>", x, top + 3, top + 11);
    last = x;
  }
  return top + strip_high;
}

void life_row(std::string& out, const Drawn& d, const Life& life, const std::vector<Silence>& silent) {
  std::string about = life.born <= d.begin + 0.1 ? "" : "born at " + at_text(life.born), drawing;
  const auto say = [&](const std::string& text) { about += (about.empty() ? "" : ", ") + text; };
  if (life.died) say((life.status == "unknown" ? "ended" : life.status) + " at " + at_text(*life.died));
  if (life.requests > 0) say(base::counted(life.requests, "request"));
  double least = 0, most = 0;
  for (const Point& point : life.memory) {
    least = least == 0 ? point.value : std::min(least, point.value);
    most = std::max(most, point.value);
  }
  const bool curve = life.memory.size() > 2 && most > 1.2 * least && most - least > 4e6;
  if (most > 0) say("memory " + (curve ? base::bytes_text(whole(least)) + " to " : "") + base::bytes_text(whole(most)));
  const double x = place(d, life.born);
  drawing += fmt::format("<rect class=\"life\" x=\"{:.2f}%\" y=\"0\" width=\"{:.2f}%\" height=\"100%\"/>", x, std::max(least_wide, place(d, life.died.value_or(d.end)) - x));
  int high = labels(drawing, d, life.marks);
  if (!life.bars.empty()) high = bars(drawing, d, life.bars, high + 2) + 2;
  if (!life.beats.empty()) high = heartbeat(drawing, d, life, high, silent);
  if (curve) {
    chart(drawing, d, life.memory, d.most_memory, high, false);
    high += chart_high;
  }
  row(out, life.role == "worker" ? "worker" : "other", life.role + " " + std::to_string(life.pid), about, drawing, high, d);
}

}  // namespace

std::string timeline_svg(const Run& run) {
  if (run.events.empty()) return "<p>Nothing was recorded.</p>\n";
  const Drawn d = drawn_of(run);
  const std::vector<Silence> silent = silences(run);
  std::string out = "<div class=\"timeline\">\n";
  axis(out, d);
  for (const Load& load : d.loads) load_row(out, d, load);
  if (!d.steps.empty()) {
    std::string drawing;
    const int high = labels(drawing, d, d.steps);
    row(out, "other", "what was done to it", "", drawing, high, d);
  }
  queue_row(out, d);
  // Whoever is told of in no event but memory is drawn, too: masters first, then by birth.
  std::vector<const Life*> lives;
  for (const Life& life : d.lives)
    if (life.role == "master") lives.push_back(&life);
  for (const Life& life : d.lives)
    if (life.role != "master") lives.push_back(&life);
  for (std::size_t i = 0; i < std::min(lives.size(), most_rows); ++i) life_row(out, d, *lives[i], silent);
  axis(out, d);
  if (lives.size() > most_rows) out += "<p>Not drawn: " + base::counted(lives.size() - most_rows, "more row").append(".</p>\n");
  return out + "</div>\n";
}

}  // namespace reproduce
