// Boost.JSON, compiled once and by itself: it takes a while.
#include <boost/json/src.hpp>
