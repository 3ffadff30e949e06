// Stand-ins for the types of DataMiner that TicketRoutes.cs uses; see README.md. Tickets live in memory.
// SPDX-License-Identifier: Apache-2.0

using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Linq;

using Skyline.DataMiner.Net.Messages.SLDataGateway;

namespace Skyline.DataMiner.Automation
{
    using Skyline.DataMiner.Net;

    public interface IEngine
    {
        IConnection GetUserConnection();
    }

    public static class AutomationEntryPointType
    {
        public enum Types
        {
            OnApiTrigger,
        }
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class AutomationEntryPointAttribute : Attribute
    {
        public AutomationEntryPointAttribute(AutomationEntryPointType.Types type)
        {
            Type = type;
        }

        public AutomationEntryPointType.Types Type { get; private set; }
    }
}

namespace Skyline.DataMiner.Net
{
    public interface IConnection
    {
    }
}

namespace Skyline.DataMiner.Net.Apps.UserDefinableApis
{
    public enum RequestMethod
    {
        Unspecified,
        Get,
        Put,
        Post,
        Delete,
    }
}

namespace Skyline.DataMiner.Net.Apps.UserDefinableApis.Actions
{
    public interface IQueryParameters
    {
        bool TryGetValue(string key, out string value);
    }

    public class ApiTriggerInput
    {
        public RequestMethod RequestMethod { get; set; }

        public string Route { get; set; }

        public string RawBody { get; set; }

        public IQueryParameters QueryParameters { get; set; }
    }

    public class ApiTriggerOutput
    {
        public int ResponseCode { get; set; }

        public string ResponseBody { get; set; }
    }
}

namespace Skyline.DataMiner.Net.Messages.SLDataGateway
{
    public class FilterElement<T>
    {
        public FilterElement(Func<T, bool> holds)
        {
            Holds = holds;
        }

        public Func<T, bool> Holds { get; private set; }
    }

    public class TRUEFilterElement<T> : FilterElement<T>
    {
        public TRUEFilterElement()
            : base(item => true)
        {
        }
    }

    public class Exposer<T, TValue>
        where TValue : IComparable<TValue>
    {
        public Exposer(Func<T, IEnumerable<TValue>> values)
        {
            Values = values;
        }

        public Func<T, IEnumerable<TValue>> Values { get; private set; }

        public FilterElement<T> Equal(TValue value)
        {
            return new FilterElement<T>(item => Values(item).Any(each => each.CompareTo(value) == 0));
        }

        public FilterElement<T> GreaterThanOrEqual(TValue value)
        {
            return new FilterElement<T>(item => Values(item).Any(each => each.CompareTo(value) >= 0));
        }
    }
}

namespace SLDataGateway.API.Querying
{
    public interface IQuery<T>
    {
        IEnumerable<T> Of(IEnumerable<T> items);
    }

    public sealed class StandInQuery<T> : IQuery<T>
    {
        private readonly Func<IEnumerable<T>, IEnumerable<T>> select;

        public StandInQuery(Func<IEnumerable<T>, IEnumerable<T>> select)
        {
            this.select = select;
        }

        public IEnumerable<T> Of(IEnumerable<T> items)
        {
            return select(items);
        }
    }

    public static class QueryExtensions
    {
        public static IQuery<T> OrderBy<T, TValue>(this FilterElement<T> filter, Exposer<T, TValue> exposer)
            where TValue : IComparable<TValue>
        {
            return new StandInQuery<T>(items => items.Where(filter.Holds).OrderBy(item => exposer.Values(item).FirstOrDefault()));
        }

        public static IQuery<T> Limit<T>(this IQuery<T> query, int limit)
        {
            return new StandInQuery<T>(items => query.Of(items).Take(limit));
        }
    }
}

namespace Skyline.DataMiner.SDM.Ticketing.Models
{
    public enum TicketStatus
    {
        Acknowledged,
        [Description("In Progress")]
        InProgress,
        [Description("On Hold")]
        OnHold,
        Pending,
        Resolved,
        Closed,
        Cancelled,
        Rejected,
    }

    public enum TicketPriority
    {
        Critical,
        High,
        Medium,
        Low,
    }

    public enum TicketSeverity
    {
        Critical,
        Major,
        Minor,
    }

    public class TicketType
    {
        public Guid Guid { get; set; }

        public string Name { get; set; }
    }

    public class TicketExternalIdentifier
    {
        public string ExternalId { get; set; }
    }

    public class Ticket
    {
        public Ticket()
        {
            ExternalIdentifiers = new List<TicketExternalIdentifier>();
            Priority = TicketPriority.Low;
            Severity = TicketSeverity.Minor;
        }

        public Guid Guid { get; set; }

        public string ID { get; set; }

        public string Name { get; set; }

        public string Description { get; set; }

        public TicketType Type { get; set; }

        public TicketStatus Status { get; set; }

        public TicketPriority Priority { get; set; }

        public TicketSeverity Severity { get; set; }

        public DateTime LastModified { get; set; }

        public string LastModifiedBy { get; set; }

        public DateTime CreatedAt { get; set; }

        public string CreatedBy { get; set; }

        public List<TicketExternalIdentifier> ExternalIdentifiers { get; set; }

        public Ticket Clone()
        {
            var copy = (Ticket)MemberwiseClone();
            copy.ExternalIdentifiers = ExternalIdentifiers.ToList();
            return copy;
        }
    }

    public class TicketNote
    {
        public Guid Guid { get; set; }

        public string Note { get; set; }

        public Ticket Ticket { get; set; }

        public DateTime CreatedAt { get; set; }

        public string CreatedBy { get; set; }

        public TicketNote Clone()
        {
            return (TicketNote)MemberwiseClone();
        }
    }
}

namespace Skyline.DataMiner.SDM.Ticketing
{
    using Skyline.DataMiner.Net;
    using Skyline.DataMiner.SDM.Ticketing.Models;
    using SLDataGateway.API.Querying;

    public static class TicketExposers
    {
        public static readonly Exposer<Ticket, Guid> Guid = new Exposer<Ticket, Guid>(ticket => new[] { ticket.Guid });

        public static readonly Exposer<Ticket, DateTime> LastModified =
            new Exposer<Ticket, DateTime>(ticket => new[] { ticket.LastModified });

        public static class ExternalIdentifiers
        {
            public static readonly Exposer<Ticket, string> ExternalId =
                new Exposer<Ticket, string>(ticket => ticket.ExternalIdentifiers.Select(each => each.ExternalId));
        }
    }

    public static class TicketTypeExposers
    {
        public static readonly Exposer<TicketType, string> Name = new Exposer<TicketType, string>(type => new[] { type.Name });
    }

    public static class TicketNoteExposers
    {
        public static readonly Exposer<TicketNote, Guid> Ticket =
            new Exposer<TicketNote, Guid>(note => new[] { note.Ticket.Guid });
    }

    public interface IRepository<T>
    {
        IEnumerable<T> Read(FilterElement<T> filter);

        IEnumerable<T> Read(IQuery<T> query);

        T Create(T item);

        T Update(T item);
    }

    public class TicketingApiHelper
    {
        private static readonly StandInTickets AllTickets = new StandInTickets();
        private static readonly StandInNotes AllNotes = new StandInNotes();
        private static readonly StandInTypes AllTypes = new StandInTypes();

        public TicketingApiHelper(IConnection connection)
        {
        }

        public IRepository<Ticket> Tickets
        {
            get { return AllTickets; }
        }

        public IRepository<TicketType> TicketTypes
        {
            get { return AllTypes; }
        }

        public IRepository<TicketNote> Notes
        {
            get { return AllNotes; }
        }
    }

    /// <summary>Tickets in memory. As in a database, what is read is a copy, and every change has a later time.</summary>
    internal sealed class StandInTickets : IRepository<Ticket>
    {
        private readonly Dictionary<Guid, Ticket> stored = new Dictionary<Guid, Ticket>();
        private DateTime last = DateTime.UtcNow;

        public IEnumerable<Ticket> Read(FilterElement<Ticket> filter)
        {
            lock (stored)
            {
                return stored.Values.Where(filter.Holds).Select(ticket => ticket.Clone()).ToList();
            }
        }

        public IEnumerable<Ticket> Read(IQuery<Ticket> query)
        {
            lock (stored)
            {
                return query.Of(stored.Values).Select(ticket => ticket.Clone()).ToList();
            }
        }

        public Ticket Create(Ticket item)
        {
            lock (stored)
            {
                item.Guid = Guid.NewGuid();
                item.ID = "Ticket " + (stored.Count + 1).ToString("00000");
                item.CreatedAt = Next();
                item.CreatedBy = item.LastModifiedBy = "API";
                item.LastModified = item.CreatedAt;
                stored[item.Guid] = item.Clone();
                return item;
            }
        }

        public Ticket Update(Ticket item)
        {
            lock (stored)
            {
                item.LastModified = Next();
                stored[item.Guid] = item.Clone();
                return item;
            }
        }

        private DateTime Next()
        {
            DateTime now = DateTime.UtcNow;
            last = now > last ? now : last.AddTicks(10);
            return last;
        }
    }

    internal sealed class StandInTypes : IRepository<TicketType>
    {
        private static readonly TicketType[] Known = { new TicketType { Guid = Guid.NewGuid(), Name = "Incident Report" } };

        public IEnumerable<TicketType> Read(FilterElement<TicketType> filter)
        {
            return Known.Where(filter.Holds);
        }

        public IEnumerable<TicketType> Read(IQuery<TicketType> query)
        {
            return query.Of(Known);
        }

        public TicketType Create(TicketType item)
        {
            throw new NotSupportedException();
        }

        public TicketType Update(TicketType item)
        {
            throw new NotSupportedException();
        }
    }

    internal sealed class StandInNotes : IRepository<TicketNote>
    {
        private readonly List<TicketNote> stored = new List<TicketNote>();

        public IEnumerable<TicketNote> Read(FilterElement<TicketNote> filter)
        {
            lock (stored)
            {
                return stored.Where(filter.Holds).Select(note => note.Clone()).ToList();
            }
        }

        public IEnumerable<TicketNote> Read(IQuery<TicketNote> query)
        {
            lock (stored)
            {
                return query.Of(stored).ToList();
            }
        }

        public TicketNote Create(TicketNote item)
        {
            lock (stored)
            {
                item.Guid = Guid.NewGuid();
                item.CreatedAt = DateTime.UtcNow;
                item.CreatedBy = "API";
                stored.Add(item.Clone());
                return item;
            }
        }

        public TicketNote Update(TicketNote item)
        {
            throw new NotSupportedException();
        }
    }
}
