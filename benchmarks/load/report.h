// What a run found, for people or for programs.
#pragma once

#include <string>

#include "measurements.h"
#include "options.h"

namespace matrixcore::load {

std::string TextReport(const Options& options, const Measurements& m);

// One flat JSON object on one line; times in milliseconds, sizes in bytes.
std::string JsonReport(const Options& options, const Measurements& m);

}  // namespace matrixcore::load
