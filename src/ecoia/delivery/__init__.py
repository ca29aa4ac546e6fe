"""From the journal to MLflow: the ledger's runs, and figures on the runs that people open.

======================  =====================================================================
``deliver``             one delivery
``result``              what a delivery did, and the progress that it tells
``timed_delivery``      a delivery in a process of its own, which is killed when its time is up
``one_delivery``        that process
``http_watch``          what the servers do that MLflow asks, for messages; an answer that does not end is ended
``helper_loop``         the helper's loop: have delivered until nothing is left and no process lives
``refused_days``        ledger days that are not sent: another journal home owns them, or they are doubtful
``doubtful_days``       days that a wrong clock must have dated
``sender``              one sending: ledger days first, then the runs whose figures changed
``backlog``             what the journal holds and what of it is not delivered yet
``cursors``             how far each journal file was delivered
``routes``              which MLflow store each record goes to
``abandoned``           outcomes for runs whose process died
``day_file``            the ledger's day file: its bytes, and how it grows
``tags_and_metrics``    every tag and metric that is written to MLflow
``run_views``           what one MLflow run shows
``view_page``           the table and the page on such a run
``view_updates``        which runs show something new, and writing it there
``mlflow_store``        the connection to one MLflow store
``mlflow_ledger``       ledger runs in it: written, and written again where they were altered
``ledger_months``       a home's closed months put together into one run each
``ledger_month_files``  such a month read back, and looked into by day
``ledger_list``         which ledger runs there are
``ledger_sql``          the same by SQL, where the store is a database
``ledger_reader``       ledger runs in it: fetched, checked, and what is missing named
``ledger_run``          what a ledger run says of itself
``ledger_cache``        day files fetched before, and digests of those that passed their checks, kept on this machine
``verified_days``       which delivered days were read back
``mlflow_runs``         runs in it that people open
======================  =====================================================================
"""
