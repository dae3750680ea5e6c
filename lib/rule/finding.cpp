#include "rule/finding.hpp"

namespace rule {

std::string_view level_text(Level level) { return level == Level::error ? "error" : level == Level::warning ? "warning" : "note"; }
std::string_view truth_text(Truth truth) { return truth == Truth::yes ? "yes" : truth == Truth::no ? "no" : "unknown"; }
std::string_view confidence_text(Confidence sure) { return sure == Confidence::certain ? "certain" : sure == Confidence::likely ? "likely" : "unknown"; }

}  // namespace rule
