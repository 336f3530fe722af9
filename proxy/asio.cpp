/// Asio compiled once (BOOST_ASIO_SEPARATE_COMPILATION), so that the other
/// translation units carry only its declarations.
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
