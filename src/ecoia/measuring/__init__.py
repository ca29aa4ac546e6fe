"""From readings to records: ``sampler`` drives a ``Recorder``, which takes each reading through these steps.

    subject, this_process           the activity of the measured process: a ``Look``
    meter_readings                  the energy that the meters read
    host_share, allocation          the part of it that the process records, active and idle apart
    idle_split                      idle energy split among services
    span_sharing, attribution       active energy split among spans
    window, window_records          sums, and the records made of them
    write_and_retry                 the journal, retries, the delivery helper

``home_locks`` holds the rights that only one process of a home may have.
"""
