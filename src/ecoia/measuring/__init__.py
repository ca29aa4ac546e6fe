"""From readings to records: ``sampler`` drives a ``Recorder``, which passes each reading through steps with names.

subject, this_process  ->  what the measured process did (a ``Look``)
meter_readings         ->  what the meters read
host_share, allocation ->  which part of it the process records, active and idle apart
idle_split             ->  how idle energy is split among services
span_sharing,
attribution            ->  how active energy is split among spans
window, record_builder,
record_writer          ->  sums, records, the journal
"""
