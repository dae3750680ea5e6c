// Settings of a file by name, for the linter's checks of servers whose files are plain entries.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "rule/lint.hpp"

namespace rule {

model::Spot spot_of(std::uint32_t file, const parse::settings::Place& at);
/// uwsgi and php-fpm's readers take - and _ for the same: with "-".
std::string plain_key(std::string_view key);
/// The first entry of a section under one of these keys, given in the form of plain_key; null where none is.
const parse::settings::Entry* entry_of(const model::File& file, std::string_view section, std::initializer_list<std::string_view> keys);
/// The sections of a file in their order, each as a file of its own entries: a file of 20,000 pools is asked for each of them.
std::vector<model::File> sections_of(const model::File& file);
/// A switch that is written and not off.
bool switched_on(const parse::settings::Entry* entry);
/// A line of its own below this one, as a safe edit; only where the place is an entry of an ini file.
void add_line(const model::Deployment& deployment, Draft& draft, const model::Spot& beside, std::string_view section_mark, const std::string& line);
/// The text of the command that a holder starts: ExecStart, command, CMD; null where none is told.
const model::Choice* command_of(const model::Holder& holder);

}  // namespace rule
