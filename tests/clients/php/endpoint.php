<?php
// What the PHP programs share: the endpoint from the environment, and the report.
error_reporting(E_ALL);
set_error_handler(function ($severity, $message) { throw new ErrorException($message, 0, $severity); });

foreach (['HOST', 'PORT', 'USER', 'PASSWORD', 'SCHEMA', 'PREFIX', 'TLS', 'INFILE'] as $name) {
    define($name, getenv("ENDPOINT_$name"));
}
const OTHER = SCHEMA . '_b', MISSING = SCHEMA . '_missing', EMOJI = 'Grüße 🚰';
const KIND_COLUMNS = 'txt, bin, num, day, moment, big, ubig, nothing, blank';
const KINDS = 'id INT PRIMARY KEY AUTO_INCREMENT, txt VARCHAR(100) CHARACTER SET utf8mb4, bin VARBINARY(300),
    num DECIMAL(20,5), day DATE, moment DATETIME(6), big BIGINT, ubig BIGINT UNSIGNED, nothing INT, blank VARCHAR(10)';
define('ALL_BYTES', implode('', array_map('chr', range(0, 255))));
define('KIND_VALUES', [EMOJI, ALL_BYTES, '-12345.67890', '2024-02-29', '2023-12-31 23:59:59.123456',
    '-9223372036854775808', '18446744073709551615', null, '']);

function equal($got, $expected) {
    if ($got !== $expected) {
        throw new Exception(substr('got ' . print_r($got, true) . ', expected ' . print_r($expected, true), 0, 400));
    }
}

// Integers come typed from native prepares and as text else: compare their text, but keep NULL.
function text_of(array $row) {
    return array_map(fn($value) => $value === null ? null : strval($value), array_values($row));
}

function run_all(array $scenarios) {
    foreach ($scenarios as $name => $work) {
        $start = microtime(true);
        $detail = '';
        try {
            $work();
        } catch (Throwable $error) {
            $detail = get_class($error) . ': ' . $error->getMessage() . ' at line ' . $error->getLine();
        }
        echo json_encode(['scenario' => $name, 'ok' => $detail === '', 'detail' => $detail,
            'ms' => intval((microtime(true) - $start) * 1000)], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    }
}
