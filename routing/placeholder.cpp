namespace sluice::routing { extern const int placeholder = 0; }
