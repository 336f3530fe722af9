namespace sluice::config { extern const int placeholder = 0; }
