// A setting's text as gunicorn reads it, by the kind that its settings table gives it.
#pragma once

#include <string>
#include <string_view>

#include "model/deployment.hpp"
#include "parse/python/value.hpp"

namespace model {

/// From a command line: "4" of workers is a number, "127.0.0.1:8000,unix:/run/a" of bind a list; $X and ${X:-4} are open, the latter with a choice.
Choices gunicorn_choices(std::string_view name, const std::string& text);
/// From a configuration file.
Value gunicorn_value(std::string_view name, const parse::python::Value& value);
/// "sync" "gthread" "gevent" "eventlet" "uvicorn" "tornado" "asgi", "" for a class that is not known here.
std::string class_kind(std::string_view worker_class);
/// What a setting holds where nothing sets it in this version ("" = the newest).
Value gunicorn_default(std::string_view name, std::string_view version);

}  // namespace model
